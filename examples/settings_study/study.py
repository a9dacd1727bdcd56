"""How many workers, and which pacer? A study of one Lambda, to run cell by cell in a notebook or as a script.

Editors and Jupyter (with Jupytext) open the ``# %%`` lines as cells. As a script, ``python study.py plots`` writes its
plots into a folder.
"""

# %% [markdown]
# The scenario: three instances start a minute apart and share a quota of 50 requests per minute.

# %%
from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # remove this line in a notebook

import matplotlib.pyplot as plt

from bedrock_resilience import Quota, RetryPolicy
from bedrock_resilience.simulation import Scenario, make_pacer, plot_run, simulate

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "plots")
folder.mkdir(parents=True, exist_ok=True)
incident = Scenario(
    instances=3, workers=4, items=50, offset=60.0, quota=Quota(requests_per_minute=50, burst=5), latency=6.5
)

# %% [markdown]
# With retries alone, and with each pacer.

# %%
pacers = ["none", "adaptive", "quota", "shared", "auto"]
reports = {name: simulate(incident, policy=RetryPolicy(), pacer=make_pacer(name, incident)) for name in pacers}
print(f"{'pacer':<10}{'throttled':>10}{'failed':>8}{'minutes':>9}")
for name, report in reports.items():
    print(f"{name:<10}{report.throttle_rate:>10.1%}{report.failed:>8}{report.makespan / 60:>9.1f}")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
left.bar(pacers, [report.throttle_rate * 100 for report in reports.values()], color="#c8553d")
left.set_ylabel("% of the requests throttled")
right.bar(pacers, [report.makespan / 60 for report in reports.values()], color="#28536b")
right.set_ylabel("minutes until all are done")
figure.savefig(folder / "pacers.png", dpi=120)

# %% [markdown]
# One run over time, without and with a pacer.

# %%
plot_run(reports["none"], folder / "without-pacer.png")
plot_run(reports["adaptive"], folder / "adaptive.png")

# %% [markdown]
# The number of workers: with a pacer, more workers than the quota needs gain nothing.

# %%
counts = [2, 4, 8, 12]
figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
for name in ("none", "adaptive"):
    runs = []
    for count in counts:
        scenario = incident.replace(workers=count)
        runs.append(simulate(scenario, policy=RetryPolicy(), pacer=make_pacer(name, scenario)))
    axes.plot(counts, [run.throttle_rate * 100 for run in runs], marker="o", label=f"pacer: {name}")
axes.set_xlabel("workers of each instance")
axes.set_ylabel("% of the requests throttled")
axes.set_ylim(bottom=0)
axes.legend()
figure.savefig(folder / "workers.png", dpi=120)
