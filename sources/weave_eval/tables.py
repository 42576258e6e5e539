"""The tables and columns, declared once: hints, Arrow schemas, comments and documentation are made from them.

A column's `origin` names the field of Weave's API it is read from, or says how it is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

ColumnType = Literal["text", "bigint", "double", "bool", "timestamp", "json"]
"""dlt's names of the types: bigint has 64 bits, timestamp is UTC with microseconds, json is JSON text on the way."""

Replace = Literal["run", "key"]
"""What a newly read row replaces: all rows of its run, or the row with the same key."""

Source = Literal["runs", "results", "stats", "objects", "feedback", "predictions", "load", "gate"]
"""Where the rows of a table come from: an answer of Weave's, or the load or gate that records what it did."""


@dataclass(frozen=True)
class Column:
    """One column: its name, type, meaning, and where its value comes from.

    `is_content` marks what users, models and scorers wrote. `is_preferred` marks a boolean: of two rows with one key
    in a load, the one in which it is true stays.
    """

    name: str
    type: ColumnType
    description: str
    origin: str
    nullable: bool = True
    is_content: bool = False
    is_preferred: bool = False


@dataclass(frozen=True)
class Table:
    """One table: where its rows come from, its key, what a new row replaces, and its columns in order.

    `kept` is a text column that is empty only in rows that stand for a run without being one. `weave_class` is the
    base class in Weave of the objects that the table holds.
    """

    name: str
    description: str
    source: Source
    key: tuple[str, ...]
    replace: Replace
    own_columns: tuple[Column, ...]
    has_extra: bool = True
    kept: str | None = None
    weave_class: str | None = None

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns: the project first, the table's own, `extra` where the API may grow, and the load."""
        extra = (EXTRA,) if self.has_extra else ()
        return (PROJECT, *self.own_columns, *extra, LOAD)

    @property
    def cluster(self) -> tuple[str, ...]:
        """Columns by which rows are found and replaced: BigQuery clusters by them, Postgres indexes them."""
        return ("run_id",) if self.replace == "run" else self.key

    @property
    def is_read_with_run(self) -> bool:
        """Whether the rows are read run by run, and replaced with their run."""
        return self.replace == "run" and self.source in ("results", "stats")

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """The columns whose values differ from row to row, in order.

        The others are the same in a whole batch, which is of one project and one load, and of one run where the table
        is read with it.
        """
        constant = {PROJECT.name, LOAD.name, *((_RUN_ID.name,) if self.is_read_with_run else ())}
        return tuple(column.name for column in self.columns if column.name not in constant)

    def column(self, name: str) -> Column:
        """The column of that name. Raises `KeyError` if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


def _text(name: str, description: str, origin: str, *, is_content: bool = False) -> Column:
    return Column(name, "text", description, origin, is_content=is_content)


def _id(name: str, description: str, origin: str) -> Column:
    return Column(name, "text", description, origin, nullable=False)


def _bigint(name: str, description: str, origin: str) -> Column:
    return Column(name, "bigint", description, origin)


def _double(name: str, description: str, origin: str) -> Column:
    return Column(name, "double", description, origin)


def _bool(name: str, description: str, origin: str) -> Column:
    return Column(name, "bool", description, origin)


def _timestamp(name: str, description: str, origin: str) -> Column:
    return Column(name, "timestamp", description, origin)


def _json(name: str, description: str, origin: str, *, is_content: bool = False) -> Column:
    return Column(name, "json", description, origin, is_content=is_content)


PROJECT = _id("project_id", "Weave project, as entity/project.", "the project that was read")
EXTRA = _json(
    "extra",
    "Fields of the API that have no column of their own.",
    "every other field that is not null",
    is_content=True,
)
LOAD = _id("_dlt_load_id", "Load that wrote the row; joins _dlt_loads.load_id.", "dlt")

_RUN_ID = _id("run_id", "Evaluation run the row belongs to.", "evaluation_call_id")
_ROW_DIGEST = _id("row_digest", "Digest of the input; the same input has the same digest in every run.", "row_digest")

EVALUATION_RUNS = Table(
    name="evaluation_runs",
    description="Evaluation runs: one row for each time an evaluation was run on a model.",
    source="runs",
    key=("run_id",),
    replace="run",
    kept="status",
    own_columns=(
        _id("run_id", "Evaluation run: the id of the run's call in Weave.", "call.id"),
        _text("entity", "W&B entity (team or user) that owns the project.", "first part of the project"),
        _text("project", "Name of the project inside its entity.", "second part of the project"),
        _text("evaluation_ref", "Weave ref of the evaluation's version.", "call.inputs.self or .this"),
        _text("evaluation_name", "Name of the evaluation.", "name in evaluation_ref, or the text that was logged"),
        _text("evaluation_digest", "Digest of the evaluation's version.", "digest in evaluation_ref"),
        _text("model_ref", "Weave ref of the model's version; an op for function models.", "call.inputs.model"),
        _text("model_name", "Name of the model.", "name in model_ref, or the text that was logged"),
        _text("model_digest", "Digest of the model's version.", "digest in model_ref"),
        _text("display_name", "Name shown in Weave.", "call.display_name"),
        Column(
            "status",
            "text",
            "running, completed, failed, or abandoned (never ended, and no longer expected to).",
            "call.ended_at and call.exception",
            nullable=False,
        ),
        _bool("has_failed_trials", "Whether any call inside the run failed.", "call.summary.status_counts.error"),
        _text("error", "Error that ended a failed run.", "call.exception", is_content=True),
        Column("started_at", "timestamp", "When the run started.", "call.started_at", nullable=False),
        _timestamp("finished_at", "When the run ended; changes if the run is finished again.", "call.ended_at"),
        _text("source_run_id", "Earlier run whose outputs this run scores again.", "call.attributes.weave"),
        _text("trace_id", "Trace of the run's call.", "call.trace_id"),
        _text("parent_id", "Call that started the run, if it ran inside another.", "call.parent_id"),
        _text("user_id", "W&B user who logged the run.", "call.wb_user_id"),
        _bool("is_imperative", "Whether the run was logged with EvaluationLogger.", "call.attributes._weave_eval_meta"),
        _bigint("row_count", "Rows (distinct inputs) of the run.", "counted in result_rows"),
        _bigint("trial_count", "Trials of the run.", "counted in trials"),
        _bigint("score_count", "Scores of the run.", "counted in scores"),
        _bigint("total_tokens", "Tokens used by the trials' predictions.", "sum of trials.total_tokens"),
        _double("total_cost", "Cost of the trials' predictions, in US dollars.", "sum of trials.total_cost"),
        _json("output", "Metrics that the SDK computed at the end of the run.", "call.output", is_content=True),
        _json(
            "summary",
            "Weave's own summary of the call: usage, status counts, latency.",
            "call.summary",
            is_content=True,
        ),
        _json("attributes", "Attributes logged with the run.", "call.attributes", is_content=True),
        _text("url", "Page of the run in W&B.", "made from the base URL and the run's id"),
        _timestamp(
            "deleted_at", "When the run was found deleted in Weave; null while it exists.", "noticed while loading"
        ),
        Column("synced_at", "timestamp", "When the run was last read.", "clock of the load", nullable=False),
        _text("fingerprint", "Changes whenever the run's call changes.", "hash of the call"),
        _text(
            "results_load_id",
            "Load that wrote the run's rows, trials, scores and stats; join it to their _dlt_load_id.",
            "dlt",
        ),
    ),
)

DATASET_ROWS = Table(
    name="dataset_rows",
    description="Inputs: one row for each distinct input, however many runs used it.",
    source="results",
    key=("project_id", "row_digest"),
    replace="key",
    own_columns=(
        _ROW_DIGEST,
        _json("inputs", "The input itself; any JSON value.", "rows[].raw_data_row", is_content=True),
        _text("input_ref", "Weave ref of the input where it could not be resolved.", "rows[].raw_data_row"),
        Column(
            "is_resolved",
            "bool",
            "Whether inputs holds the input; false if only its ref could be read.",
            "rows[].raw_data_row",
            is_preferred=True,
        ),
    ),
    has_extra=False,
)

RESULT_ROWS = Table(
    name="result_rows",
    description="Result rows: one row for each input of a run.",
    source="results",
    key=("run_id", "row_digest"),
    replace="run",
    kept="result_row_id",
    own_columns=(
        _id("result_row_id", "The result row's key in one column.", "run_id:row_digest"),
        _RUN_ID,
        _ROW_DIGEST,
        _bigint("trial_count", "Trials of this input in this run.", "number of rows[].evaluations[].trials"),
    ),
)

TRIALS = Table(
    name="trials",
    description="Trials: one row for each time the model answered an input in a run.",
    source="results",
    key=("trial_id",),
    replace="run",
    kept="trial_id",
    own_columns=(
        _id("trial_id", "Trial: the id of the predict-and-score call.", "trials[].predict_and_score_call_id"),
        _id("result_row_id", "Result row the trial belongs to.", "run_id:row_digest"),
        _RUN_ID,
        _ROW_DIGEST,
        _bigint(
            "trial_index", "Number of the trial within its row, from 1, by start.", "order of call.started_at, then id"
        ),
        _text("predict_call_id", "Call that made the prediction.", "trials[].predict_call_id"),
        _json("output", "The model's output; any JSON value.", "trials[].model_output", is_content=True),
        _double("latency_seconds", "Time the prediction took, in seconds.", "trials[].model_latency_seconds"),
        _bigint("total_tokens", "Tokens the prediction used.", "trials[].total_tokens"),
        _double("total_cost", "Cost of the prediction, in US dollars.", "trials[].total_cost"),
        _timestamp("started_at", "When the trial started.", "call.started_at"),
        _timestamp("finished_at", "When the trial ended.", "call.ended_at"),
        _bool(
            "is_error",
            "Whether the trial, its prediction or a scorer raised.",
            "call.exception of the trial and its children",
        ),
        _text(
            "error", "Error of the trial, its prediction or its first failed scorer.", "call.exception", is_content=True
        ),
    ),
)

SCORES = Table(
    name="scores",
    description="Scores: one row for each leaf of a scorer's output for a trial.",
    source="results",
    key=("trial_id", "scorer_name", "path"),
    replace="run",
    kept="score_id",
    own_columns=(
        _id(
            "score_id",
            "Score: made from the trial, the scorer and the path.",
            "trial_id and a hash of scorer_name and path",
        ),
        _id("trial_id", "Trial that was scored.", "trials[].predict_and_score_call_id"),
        _RUN_ID,
        _ROW_DIGEST,
        _id("scorer_name", "Name of the scorer.", "key in trials[].scores"),
        _id("path", "Keys that lead to the leaf, joined with dots; empty for a bare value.", "keys in trials[].scores"),
        _id("value_type", "binary, continuous, text, json (lists and empty objects) or null.", "type of the leaf"),
        _bool("value_bool", "The score, if it is true or false.", "the leaf"),
        _double("value_number", "The score, if it is a number.", "the leaf"),
        _text(
            "value_text",
            "The score, if it is text; or the digits of a number that does not fit a double.",
            "the leaf",
            is_content=True,
        ),
        _json("value_json", "The score, if it is a list or an empty object.", "the leaf", is_content=True),
        _text("scorer_call_id", "Call of the scorer.", "trials[].scorer_call_ids"),
    ),
    has_extra=False,
)

SCORER_STATS = Table(
    name="scorer_stats",
    description="Scorer stats: Weave's own aggregate of each leaf of each scorer over a run.",
    source="stats",
    key=("run_id", "scorer_name", "path"),
    replace="run",
    kept="scorer_stat_id",
    own_columns=(
        _id(
            "scorer_stat_id",
            "Aggregate: made from the run, the scorer and the path.",
            "run_id and a hash of scorer_name and path",
        ),
        _RUN_ID,
        _id("scorer_name", "Name of the scorer.", "scorer_stats[].scorer_key"),
        _id(
            "path",
            "Keys that lead to the leaf, joined with dots as Weave does; empty for a bare value.",
            "scorer_stats[].path",
        ),
        _text("value_type", "Type of the first value seen: binary, continuous or text.", "scorer_stats[].value_type"),
        _bigint("trial_count", "Trials that have the score.", "scorer_stats[].trial_count"),
        _bigint("numeric_count", "Trials whose score is a number.", "scorer_stats[].numeric_count"),
        _double("numeric_mean", "Mean of the numbers.", "scorer_stats[].numeric_mean"),
        _bigint("pass_known_count", "Trials whose score is true or false.", "scorer_stats[].pass_known_count"),
        _bigint("pass_true_count", "Trials whose score is true.", "scorer_stats[].pass_true_count"),
        _double("pass_rate", "Share of true among the true and false scores, 0 to 1.", "scorer_stats[].pass_rate"),
        _double(
            "pass_signal_coverage", "Share of trials with true or false, 0 to 1.", "scorer_stats[].pass_signal_coverage"
        ),
        _bool("is_computed", "Whether the numbers were computed here, because Weave could not give them.", "the load"),
    ),
)

_OBJECT_COLUMNS = (
    _id("ref", "Weave ref of the version; joins the refs in runs.", "made from project, object_id and digest"),
    _id("object_id", "Id of the object, the same for all its versions.", "objs[].object_id"),
    _text("name", "Name given to the object, if any; otherwise its id.", "objs[].val.name"),
    _id("digest", "Digest of the version's content.", "objs[].digest"),
    _bigint("version_index", "Number of the version, from 0.", "objs[].version_index"),
    _timestamp("created_at", "When the version was made.", "objs[].created_at"),
    _text("description", "Description given to the object.", "objs[].val.description", is_content=True),
    _text("kind", "object, or op for a function that serves as one.", "objs[].kind"),
    _text("user_id", "W&B user who made the version.", "objs[].wb_user_id"),
    _timestamp("deleted_at", "When the version was deleted in Weave.", "objs[].deleted_at"),
    _json("definition", "The whole version as Weave stores it.", "objs[].val", is_content=True),
)


def _objects(name: str, weave_class: str, description: str, *more: Column) -> Table:
    return Table(
        name=name,
        description=description,
        source="objects",
        key=("project_id", "ref"),
        replace="key",
        own_columns=(*_OBJECT_COLUMNS, *more),
        weave_class=weave_class,
    )


EVALUATIONS = _objects(
    "evaluations",
    "Evaluation",
    "Evaluations: one row for each version of an evaluation's definition.",
    _text("dataset_ref", "Weave ref of the dataset's version.", "objs[].val.dataset"),
    _bigint("trials", "How often the evaluation runs each input.", "objs[].val.trials"),
    _json("scorer_refs", "Weave refs of the scorers' versions, as a list.", "objs[].val.scorers"),
)
MODELS = _objects(
    "models", "Model", "Models: one row for each version of a model, or of a function that serves as one."
)
DATASETS = _objects("datasets", "Dataset", "Datasets: one row for each version of a dataset.")
SCORERS = _objects(
    "scorers", "Scorer", "Scorers: one row for each version of a scorer, or of a function that serves as one."
)

FEEDBACK = Table(
    name="feedback",
    description="Feedback: notes, reactions, annotations and scores given to a call, even long after its run.",
    source="feedback",
    key=("project_id", "feedback_id"),
    replace="key",
    own_columns=(
        _id("feedback_id", "Feedback item.", "result[].id"),
        _text(
            "feedback_type",
            "wandb.note.1, wandb.reaction.1, wandb.annotation.* or wandb.runnable.*.",
            "result[].feedback_type",
        ),
        _text("call_id", "Call that the feedback was given to.", "call in result[].weave_ref"),
        _text("run_id", "Evaluation run that the call is or belongs to, if any.", "found through the call's parents"),
        _text(
            "row_digest", "Input of the trial, where the trial names it by a ref.", "call.inputs.example of the trial"
        ),
        _text("trial_id", "Trial that the call is or belongs to, if any.", "found through the call's parents"),
        _text("creator", "Who gave the feedback.", "result[].creator"),
        _timestamp("created_at", "When the feedback was given.", "result[].created_at"),
        _text(
            "scorer_name",
            "Scorer that gave the feedback, if it is a score.",
            "name in result[].runnable_ref or feedback_type",
        ),
        _json("payload", "The feedback itself.", "result[].payload", is_content=True),
        _text("weave_ref", "Weave ref that the feedback was given to.", "result[].weave_ref"),
    ),
)

PREDICTIONS = Table(
    name="predictions",
    description="Predictions: one row for each prediction of a run made through the v2 API; loaded on request.",
    source="predictions",
    key=("prediction_id",),
    replace="run",
    kept="prediction_id",
    own_columns=(
        _id("prediction_id", "Prediction.", "prediction_id"),
        _id("run_id", "Evaluation run the prediction belongs to.", "evaluation_run_id"),
        _text("model_ref", "Weave ref of the model's version.", "model"),
        _json("inputs", "What the model was given.", "inputs", is_content=True),
        _json("output", "What the model answered.", "output", is_content=True),
        _text("user_id", "W&B user who logged the prediction.", "wb_user_id"),
    ),
)

RECONCILIATIONS = Table(
    name="reconciliations",
    description="Reconciliations: the proof of each run's last read: what Weave says it has against what landed.",
    source="load",
    key=("run_id",),
    replace="run",
    kept="load_id",
    own_columns=(
        _RUN_ID,
        _bigint("api_row_count", "Rows of the run by Weave's count.", "total_rows of eval_results"),
        _bigint("row_count", "Rows of the run in result_rows.", "counted in the warehouse"),
        _bigint("api_trial_count", "Trials of the run by Weave's summary.", "summary.evaluations[].trial_count"),
        _bigint("trial_count", "Trials of the run in trials.", "counted in the warehouse"),
        _bigint("stats_checked", "Scorer stats that were recomputed from scores.", "counted"),
        _bigint("stats_differing", "Scorer stats that came out differently.", "counted"),
        _bool("is_reconciled", "Whether everything agrees.", "all counts and stats"),
        _json("differences", "What differs, as a list of objects.", "compared"),
        _timestamp("checked_at", "When the comparison was made.", "clock of the load"),
        _bigint("trial_call_count", "Trial calls of the run, as the calls API counts them.", "counted"),
        _id("load_id", "Load that wrote the run's rows.", "dlt"),
    ),
    has_extra=False,
)

SYNCS = Table(
    name="syncs",
    description="Syncs: one row for each execution that changed something or failed, with heartbeats in between.",
    source="load",
    key=("sync_id",),
    replace="key",
    own_columns=(
        _id("sync_id", "Execution.", "made by the load"),
        Column("started_at", "timestamp", "When the execution started.", "clock of the load", nullable=False),
        _timestamp("finished_at", "When the execution ended.", "clock of the load"),
        _text("status", "loaded, unchanged, unreconciled or failed.", "outcome of the load"),
        _text("command", "What was executed: load, full load, range load or verify.", "the command"),
        _text("destination", "Profile that was loaded into.", "the command"),
        _bigint("requests", "HTTP requests sent to Weave.", "counted"),
        _bigint("retries", "Requests that were sent again after a failure.", "counted"),
        _bigint("throttled", "Responses that asked to slow down (429 or Retry-After).", "counted"),
        _bigint("bytes_received", "Bytes of responses, after decompression.", "counted"),
        _bigint("runs_listed", "Runs that Weave listed.", "counted"),
        _bigint("runs_read", "Runs that were read.", "counted"),
        _bigint("runs_unchanged", "Runs that were listed and needed no reading.", "counted"),
        _bigint("runs_open", "Runs that had not ended.", "counted"),
        _bigint("runs_deleted", "Runs that were found deleted.", "counted"),
        _json("rows", "Rows loaded, by table.", "counted"),
        _json("seconds", "Seconds taken, by step.", "clock of the load"),
        _json("warnings", "What was noticed and dealt with, as a list of strings.", "the load"),
        _text("error", "What ended a failed execution.", "the load"),
        _text("connector_version", "Version of weave_eval.", "the package"),
        _text("dlt_version", "Version of dlt.", "the package"),
    ),
    has_extra=False,
)

GATE_DECISIONS = Table(
    name="gate_decisions",
    description="Gate decisions: one row for each time a run was judged by rules.",
    source="gate",
    key=("decision_id",),
    replace="key",
    own_columns=(
        _id("decision_id", "Decision.", "made by the gate"),
        _id("run_id", "Evaluation run that was judged.", "the command"),
        _text("baseline_run_id", "Evaluation run that it was compared with, if any.", "the command"),
        _id("decision", "passed, blocked or not_judged.", "the rules"),
        _text("reason", "Why, in sentences.", "the rules"),
        Column("decided_at", "timestamp", "When the decision was made.", "clock of the gate", nullable=False),
        _json("rules", "The rules, as their file states them.", "the rules file"),
        _text("rules_digest", "Digest of the rules; equal for rules that say the same.", "hash of the rules"),
        _json("results", "Each bound with the value it was checked against, as a list of objects.", "computed"),
        _json("notes", "What was noticed but not decisive, as a list of strings.", "computed"),
        _text("read_from", "warehouse, or api if the runs were read straight from Weave.", "the command"),
        _text("connector_version", "Version of weave_eval.", "the package"),
    ),
    has_extra=False,
)

TABLES: tuple[Table, ...] = (
    EVALUATION_RUNS,
    DATASET_ROWS,
    RESULT_ROWS,
    TRIALS,
    SCORES,
    SCORER_STATS,
    EVALUATIONS,
    MODELS,
    DATASETS,
    SCORERS,
    FEEDBACK,
    PREDICTIONS,
    RECONCILIATIONS,
    SYNCS,
    GATE_DECISIONS,
)
"""Every table, runs first."""

TABLES_BY_NAME: dict[str, Table] = {table.name: table for table in TABLES}


def tables_from(*sources: Source) -> tuple[str, ...]:
    """Names of the tables whose rows come from these sources."""
    return tuple(table.name for table in TABLES if table.source in sources)


READ_WITH_RUN = tuple(table.name for table in TABLES if table.is_read_with_run)
"""Tables whose rows are read with a run and replaced with it."""

REPLACED_BY_RUN = tuple(table.name for table in TABLES if table.replace == "run")
"""Tables in which the rows of a run are replaced together."""

RESULT_TABLES = tables_from("results")
"""Tables whose rows come from the pages of a run's results."""

OBJECT_TABLES = tables_from("objects")
"""Tables of versions of objects."""

RECORD_TABLES = tables_from("load", "gate")
"""Tables about loads and decisions, which are not read from Weave."""
