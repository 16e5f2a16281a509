"""Where rows come from: files, MLflow datasets, what a hook returns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_agentgate.dataset.rows import Dataset, dataset_of
from pytest_agentgate.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_SUFFIXES = (".jsonl", ".json", ".csv", ".parquet")
_MANAGED = "dataset:"


def load_dataset(source: str, *, folder: Path) -> Dataset:
    """
    Load a data source; relative files are looked for below `folder`.

    Raises:
        InputError: The source does not exist, cannot be read or holds no rows
            that can be evaluated.
    """
    if source.startswith(_MANAGED):
        name = source.removeprefix(_MANAGED)
        return dataset_of(_managed_records(name), source=source)
    path = folder / source
    if path.suffix.lower() in _SUFFIXES:
        return dataset_of(_file_records(path), source=source)
    if re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", source):
        raise InputError(
            f"data {source}: Unity Catalog tables are not supported by this version "
            "of pytest-agentgate; export the table to a file, use an MLflow dataset "
            "(dataset:NAME), or return its rows from the pytest_agentgate_data hook"
        )
    raise InputError(
        f"data {source}: unknown kind; use a file ending in {', '.join(_SUFFIXES)}, "
        "or dataset:NAME"
    )


def dataset_from(value: Any, *, source: str) -> Dataset:
    """Return what a hook gave, a DataFrame or a list of objects, as a dataset."""
    if hasattr(value, "to_dict"):
        value = value.to_dict(orient="records")
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise InputError(
            f"{source} returned {type(value).__name__}; return a DataFrame or a list "
            "of rows with inputs"
        )
    return dataset_of(value, source=source)


def frame_of(dataset: Dataset) -> pd.DataFrame:
    """Return the dataset as a DataFrame with one row per row of data."""
    import pandas as pd  # slow to import, and only fixtures need it

    columns = ["inputs", "expectations", "tags"]
    columns += ["outputs"] if dataset.is_recorded else []
    return pd.DataFrame(
        [{name: getattr(row, name) for name in columns} for row in dataset.rows]
    )


def _file_records(path: Path) -> Iterable[Mapping[str, Any]]:
    readers = {
        ".jsonl": _json_lines,
        ".json": _json_list,
        ".csv": _csv_rows,
        ".parquet": _parquet_rows,
    }
    try:
        return readers[path.suffix.lower()](path)
    except FileNotFoundError:
        raise InputError(
            f"data file {path} does not exist; name an existing one as data in the "
            "gate file or with --agentgate-data"
        ) from None
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"data file {path} cannot be read: {error}") from None


def _json_lines(path: Path) -> list[Any]:
    lines = path.read_text(encoding="utf-8").split("\n")
    records = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            records.append(json.loads(line))
        except ValueError as error:
            raise ValueError(f"line {number} is not JSON: {error}") from None
    return records


def _json_list(path: Path) -> list[Any]:
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, list):
        raise ValueError("it must hold a list of rows")
    return content


def _csv_rows(path: Path) -> list[dict[str, Any]]:
    import pandas as pd

    # Everything as text: a reader that guesses types changes what was asked.
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    return [
        {str(key): _cell(value) for key, value in row.items() if value != ""}
        for row in frame.to_dict(orient="records")
    ]


def _cell(value: str) -> Any:
    if value[:1] not in ("{", "["):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _parquet_rows(path: Path) -> list[dict[str, Any]]:
    import pandas as pd

    return [
        {str(key): _plain(value) for key, value in row.items()}
        for row in pd.read_parquet(path).to_dict(orient="records")
    ]


def _plain(value: Any) -> Any:
    """Undo what Parquet does: arrays for lists, None for keys a row lacks."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {key: _plain(v) for key, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _managed_records(name: str) -> Iterable[Mapping[str, Any]]:
    from mlflow.exceptions import MlflowException
    from mlflow.genai import datasets

    try:
        frame = datasets.get_dataset(name=name).to_df()
    except MlflowException as error:
        raise InputError(
            f"data dataset:{name}: MLflow has no such evaluation dataset, or it "
            f"cannot be read: {error}"
        ) from error
    rows: list[Mapping[str, Any]] = [
        {str(key): value for key, value in row.items() if key != "outputs"}
        for row in frame.to_dict(orient="records")
    ]
    return rows
