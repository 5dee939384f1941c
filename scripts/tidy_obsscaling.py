"""Make data/models.csv and data/scores.csv from the evaluation tables of the ObsScaling repository.

Usage: python scripts/tidy_obsscaling.py SOURCE_DIR -o data/

SOURCE_DIR is the repository's folder ``eval_results``. The hand-written tables benchmarks.csv and model_facts.csv
(release months and remarks) are read from the output folder.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pandas as pd

BASE = "base_llm_benchmark_eval"
EMERGENT = "base_llm_emergent_capability_eval"
POST_TRAINING = "base_llm_post_training_eval"
LEADERBOARD = "base_llm_leaderboard_v2_eval"
INSTRUCT = "instruct_llm_benchmark_eval"
AGENTS = "instruct_llm_agent_eval"
TABLES = (BASE, EMERGENT, POST_TRAINING, LEADERBOARD, INSTRUCT, AGENTS)

CODE_FAMILIES = {"CodeLlama", "StarCoder", "StarCoder2", "DeepSeek-Coder", "DeepSeek-Coder-V2", "Codellama-Instruct"}

# Facts that are certainly wrong upstream: model -> (column, right value, reason). FLOPs follow as 6 N D.
CORRECTIONS: dict[str, tuple[str, float, str]] = {
    "cerebras/btlm-3b-8k-base": (
        "tokens_t",
        0.627,
        "tokens corrected from 627 T: the figure is in billions; FLOPs follow",
    ),
    "openlm-research/open_llama_7b_v2": (
        "params_b",
        7.0,
        "size corrected from 13 B: the name says 7 B; FLOPs follow",
    ),
}

MODEL_COLUMNS = {
    "Model": "model",
    "Model Family": "family",
    "Model Size (B)": "params_b",
    "Pretraining Data Size (T)": "tokens_t",
    "FLOPs (1E21)": "flops",
}

# Upstream column -> benchmark. `benchmark_of` has the rules for other columns.
BENCHMARK_OF = {
    "Winograd": "Winogrande",  # scores of WinoGrande: multiples of 1/1267
    "Arena-Elo": "Arena Elo",
    "MTBench": "MT-Bench",
    "parsinlu_qa_2_acc": "Persian QA",
    "word_unscrambling_2_exact_match": "Word Unscrambling",
    "ipa_transliterate_2_exact_match": "IPA Transliterate",
    "ipa_transliterate_2_bleu": "IPA Transliterate BLEU",
    "arithmetic_3ds_2_acc": "3-Digit Subtraction",
    "arithmetic_3da_2_acc": "3-Digit Addition",
    "arithmetic_2dm_2_acc": "2-Digit Multiplication",
    "arithmetic_2da_2_acc": "2-Digit Addition",
    "gsm8k_5_exact_match,flexible-extract": "GSM8K direct",
    "gsm8k_cot_8_exact_match,flexible-extract": "GSM8K CoT",
    "gsm8k_cot_self_consistency_8_exact_match,score-first-flexible-extract": "GSM8K CoT 1-sample",
    "gsm8k_cot_self_consistency_8_exact_match,maj@5-flexible-extract": "GSM8K CoT + SC",
    "leaderboard_bbh": "LB2 BBH",
    "leaderboard_gpqa": "LB2 GPQA",
    "leaderboard_ifeval": "LB2 IFEval",
    "leaderboard_math_hard": "LB2 MATH lvl 5",
    "leaderboard_mmlu_pro": "LB2 MMLU-Pro",
    "leaderboard_musr": "LB2 MuSR",
    "ABench-OA": "AgentBench overall",
}
BBH = re.compile(r"bbh_(?P<cot>cot_)?fewshot_(?P<task>\w+)_3_exact_match,flexible-extract")
AGENTBENCH = re.compile(r"ABench-\w+_(?P<env>[A-Z]+)")
AGENTBOARD = re.compile(r"ABoard-(?:[A-Za-z ]+_)?(?P<env>[A-Za-z]+)_(?P<metric>PR|SR)")
AGENTBOARD_ENV = {
    "ALF": "AlfWorld",
    "SW": "ScienceWorld",
    "BA": "BabyAI",
    "JC": "Jericho",
    "PL": "PDDL",
    "WS": "WebShop",
    "WA": "WebArena",
    "TQ": "Tool-Query",
    "TO": "Tool-Operation",
    "Avg": "average",
}


def benchmark_of(column: str) -> str | None:
    """Return the benchmark of an upstream column; None for a column that is left out."""
    if column in BENCHMARK_OF:
        return BENCHMARK_OF[column]
    if match := BBH.fullmatch(column):
        task = match["task"].replace("_", " ")
        return None if task == "overall" else f"BBH {task} {'CoT' if match['cot'] else 'direct'}"
    if column.startswith(("bbh_", "gsm8k_")):
        return None
    if match := AGENTBENCH.fullmatch(column):
        return f"AgentBench {match['env']}"
    if match := AGENTBOARD.fullmatch(column):
        return f"AgentBoard {AGENTBOARD_ENV[match['env']]} {match['metric']}"
    return column


def divisor_of(benchmark: str) -> float:
    """Return the divisor that scales an upstream score to between 0 and 1."""
    if benchmark == "AgentBench overall":
        return 10.0
    if benchmark.startswith(("AgentBench ", "AgentBoard ")) or benchmark == "IPA Transliterate BLEU":
        return 100.0
    return 1.0


def tidy_models(tables: dict[str, pd.DataFrame], facts: pd.DataFrame) -> pd.DataFrame:
    """Return one row per model: name, family, kind, size, training data and training compute."""
    parts = [
        tables[name].rename(columns=MODEL_COLUMNS)[list(MODEL_COLUMNS.values())].assign(kind=kind)
        for name, kind in ((BASE, "base"), (INSTRUCT, "instruct"))
    ]
    models = pd.concat(parts, ignore_index=True)
    models["flops"] *= 1e21
    models = models.merge(facts, on="model", how="left", validate="one_to_one")
    for model, (column, value, reason) in CORRECTIONS.items():
        row = models.index[models["model"] == model]
        models.loc[row, column] = value
        models.loc[row, "flops"] = 6e21 * models.loc[row, "params_b"] * models.loc[row, "tokens_t"]
        models.loc[row, "note"] = reason
    models["code"] = models["family"].isin(CODE_FAMILIES).map({True: "true", False: "false"})
    models["flops_log10_sd"] = ""
    order = ["model", "family", "kind", "code", "params_b", "tokens_t", "flops", "flops_log10_sd", "released", "note"]
    return models[order]


def tidy_scores(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row per observed score."""
    parts = []
    for name, table in tables.items():
        for column in table.columns.difference(list(MODEL_COLUMNS), sort=False):
            benchmark = benchmark_of(column)
            if benchmark is None:
                continue
            scores = pd.DataFrame({"model": table["Model"], "benchmark": benchmark})
            scores["score"] = table[column] / divisor_of(benchmark)
            scores["source"] = f"obsscaling:{name}"
            parts.append(scores.dropna())
    return pd.concat(parts, ignore_index=True)


def check(models: pd.DataFrame, scores: pd.DataFrame, benchmarks: pd.DataFrame) -> None:
    """Exit with an error if the tables do not match."""
    problems = {
        "model listed twice": models["model"][models["model"].duplicated()],
        "score given twice": scores["model"][scores.duplicated(["model", "benchmark"])],
        "unknown model": scores["model"][~scores["model"].isin(models["model"])],
        "unknown benchmark": scores["benchmark"][~scores["benchmark"].isin(benchmarks["benchmark"])],
        "benchmark without scores": benchmarks["benchmark"][~benchmarks["benchmark"].isin(scores["benchmark"])],
        "score outside [0, 1]": scores["benchmark"][~scores["score"].between(0, 1)],
        "correction for an unknown model": pd.Series([m for m in CORRECTIONS if m not in set(models["model"])]),
    }
    for problem, where in problems.items():
        if len(where):
            raise SystemExit(f"{problem}: {', '.join(sorted(set(where)))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="SOURCE_DIR", help="folder with the upstream CSV files")
    parser.add_argument("-o", "--output", type=Path, default=Path("data"), help="folder of our tables (default: data)")
    args = parser.parse_args()
    tables = {name: pd.read_csv(args.source / f"{name}.csv") for name in TABLES}
    facts = pd.read_csv(args.output / "model_facts.csv", dtype=str)
    benchmarks = pd.read_csv(args.output / "benchmarks.csv")
    models, scores = tidy_models(tables, facts), tidy_scores(tables)
    check(models, scores, benchmarks)
    # Ten significant digits: more than any score resolves, and free of floating-point noise.
    models.to_csv(args.output / "models.csv", index=False, float_format="%.10g")
    scores.to_csv(args.output / "scores.csv", index=False, float_format="%.10g")
    print(f"{len(models)} models, {scores['benchmark'].nunique()} benchmarks, {len(scores)} scores")


if __name__ == "__main__":
    main()
