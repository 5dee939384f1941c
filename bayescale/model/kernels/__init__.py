"""Kernels: PyTensor Ops whose value and gradient are one Numba function each, with the plain NumPy form beside it."""
