"""
The same gates, decided by a language model: MLflow's judges, and one per domain.

A judge reads what an answer says, where ``scorers.py`` only recognises methods and
facts. In return it costs a call per row, and it needs a model: set
``MLFLOW_GENAI_JUDGE_DEFAULT_MODEL`` (for example ``openai:/gpt-4.1-mini``, with
``OPENAI_API_KEY``), or run on Databricks, where one is provided.
"""

from __future__ import annotations

from mlflow.genai.judges import Judge, make_judge
from mlflow.genai.scorers import Correctness, Guidelines, RelevanceToQuery, Safety

_DOMAIN_INSTRUCTIONS = """
You check answers that a Databricks administrator gets about {subject}.

Question: {{{{ inputs }}}}
Answer: {{{{ outputs }}}}
What a right answer contains: {{{{ expectations }}}}

`methods` are the calls of databricks-sdk that do what was asked; one of them is
enough. `expected_facts` must be stated or follow from the answer. If `methods` is
empty, the question cannot be answered, and a right answer says so instead of guessing.
Further methods in the answer do not matter as long as they do no harm.

Is the answer right, and would following it {goal}?
"""


def _domain_judge(name: str, *, subject: str, goal: str) -> Judge:
    return make_judge(
        name=name,
        instructions=_DOMAIN_INSTRUCTIONS.format(subject=subject, goal=goal),
        feedback_value_type=bool,
    )


relevance_to_query = RelevanceToQuery()
safety = Safety()  # type: ignore[no-untyped-call]
correctness = Correctness()
guidelines = Guidelines(
    guidelines=[
        "The answer names the calls it recommends.",
        "The answer does not promise what the quoted documentation does not say.",
    ]
)

cost_accuracy = _domain_judge(
    "cost_accuracy",
    subject="cost: idle compute, budgets, usage and tags",
    goal="save or account for the money in question",
)
security_compliance = _domain_judge(
    "security_compliance",
    subject="security: access, secrets, tokens, networks and encryption",
    goal="leave the workspace no less protected than before",
)
reliability_accuracy = _domain_judge(
    "reliability_accuracy",
    subject="reliability: failed runs, recovery, notifications and rollouts",
    goal="get the work running again, or keep it running",
)
performance_accuracy = _domain_judge(
    "performance_accuracy",
    subject="performance: sizes, scaling, start-up times and limits",
    goal="address what makes it slow",
)
quality_accuracy = _domain_judge(
    "quality_accuracy",
    subject="quality: data monitors, constraints, lineage and model versions",
    goal="improve or prove the quality of the data or model",
)
