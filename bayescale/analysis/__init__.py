"""Stage 5: derived quantities of a posterior; one result class and the function that makes it in each file."""
