"""
The script that a gated session is compared with: the same evaluation, no gates.

``python bare_evaluation.py MODEL_URI FOLDER`` evaluates a registered model on the
rows of a gate folder with its scorers, as a careful user would without the plugin,
and prints the means. It knows nothing of the plugin, but for the scorers that use
`response_text`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import mlflow
from mlflow.genai.scorers import Scorer


def main(uri: str, folder: Path) -> None:
    """Evaluate."""
    sys.path.insert(0, str(folder))
    import scorers

    mlflow.set_experiment("bare")
    model = mlflow.pyfunc.load_model(uri)

    def predict(question: str) -> Any:
        return model.predict({"input": [{"role": "user", "content": question}]})

    lines = folder.joinpath("rows.jsonl").read_text(encoding="utf-8").splitlines()
    result = mlflow.genai.evaluate(
        data=[json.loads(line) for line in lines],
        scorers=[s for s in vars(scorers).values() if isinstance(s, Scorer)],
        predict_fn=predict,
        model_id=model.model_id,
    )
    print(result.metrics)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
