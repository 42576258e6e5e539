"""Data as it should not be, but is found."""

from typing import Any

from tests.weave_server.process import WeaveServer

PREDICT_AND_SCORE = "Evaluation.predict_and_score"


def trial_ids(server: WeaveServer, project: str, run_id: str) -> list[str]:
    """The ids of a run's trials, oldest first."""
    calls = server.calls(project, parent_ids=[run_id])
    return [call["id"] for call in calls if PREDICT_AND_SCORE in call["op_name"]]


def poison(server: WeaveServer, project: str, trial_id: str, scores: Any = None) -> None:
    """Stores scores that are no object, such as null, a list or a ref: `eval_results` then answers 500."""
    (trial,) = server.calls(project, call_ids=[trial_id])
    server.patch_call(project, trial_id, output={**trial["output"], "scores": scores})


def move_rows(server: WeaveServer, project: str, run_id: str, dataset: str) -> None:
    """Makes a run's trials refer to unknown rows of another dataset, as one of `secret-team`."""
    for trial in server.calls(project, call_ids=trial_ids(server, project, run_id)):
        row = trial["inputs"]["example"].rsplit("/", 1)[-1][::-1]
        inputs = {**trial["inputs"], "example": f"{dataset}/attr/rows/id/{row}"}
        server.patch_call(project, trial["id"], inputs=inputs)


def delete_dataset(server: WeaveServer, project: str, name: str) -> None:
    """Deletes every version of a dataset."""
    response = server.api("DELETE", f"/v2/{project}/datasets/{name}")
    response.raise_for_status()
