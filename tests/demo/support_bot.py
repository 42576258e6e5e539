"""The support bot that is evaluated: a stand-in for a language model, the bot, and its scorers."""

from collections import Counter
from collections.abc import Callable
from difflib import SequenceMatcher
from typing import Any

import weave
from tests.demo import questions
from tests.demo.questions import Question
from weave import Model, Scorer

BRIEF = "Answer in one short sentence."
FRIENDLY = "You are the friendly assistant of our shop. Thank the customer, answer with all conditions, offer help."
HANDOVER = "I will hand you over to a colleague."
ASKING_BACK = "Could you please tell me your order number?"


class Backend:
    """A language model that always says the same; it counts how often it was asked, and can be told to fail."""

    def __init__(self) -> None:
        self.known: dict[str, Question] = {}
        self.asked: Counter[str] = Counter()
        self.times_out: tuple[Question, ...] = ()
        self.before: dict[int, Callable[[], None]] = {}

    def begin(self, known: list[Question], times_out: tuple[Question, ...] = ()) -> None:
        """Starts a run."""
        self.known = {each.question: each for each in known}
        self.asked.clear()
        self.times_out = times_out

    def answer(self, llm: str, prompt: str, question: str) -> str:
        """What the model says. Raises `TimeoutError` where it was told to fail."""
        self.before.get(self.asked.total(), _go_on)()
        self.asked[question] += 1
        asked = self.known[question]
        if asked in self.times_out:
            raise TimeoutError("helpdesk backend gave no answer within 30 s")
        if llm == "acme-small-2":
            return small_answer(asked)
        if prompt == BRIEF:
            return asked.wrong if asked in [*questions.LOST_BY_BREVITY, *questions.LARGE_IS_WRONG] else asked.right
        is_wrong = asked in questions.LARGE_IS_WRONG or (asked == questions.FLAKY and self.asked[question] == 2)
        text = asked.wrong if is_wrong else asked.right
        return f"Thank you for asking! {text} I am happy to help with anything else."


def _go_on() -> None:
    """Nothing happens before the answer."""


def small_answer(asked: Question) -> str:
    if asked in questions.SMALL_HANDS_OVER:
        return HANDOVER
    if asked in questions.SMALL_ASKS_BACK:
        return ASKING_BACK
    text = asked.wrong if asked in questions.SMALL_IS_WRONG else asked.right
    return f"{text} Happy to help!" if len(text) % 2 else text


backend = Backend()


@weave.op
def complete(llm: str, prompt: str, question: str) -> dict[str, Any]:
    """The call of the language model, with its token usage where Weave looks for it."""
    text = backend.answer(llm, prompt, question)
    used = {"prompt_tokens": 40 + (len(prompt) + len(question)) // 4, "completion_tokens": 4 + len(text) // 4}
    return {"model": llm, "text": text, "usage": {**used, "total_tokens": sum(used.values())}}


class Helpdesk(Model):
    """The bot: a language model and a prompt."""

    llm: str
    prompt: str

    @weave.op
    def predict(self, question: str) -> dict[str, Any]:
        answer = complete(self.llm, self.prompt, question)["text"]
        return {"answer": answer, "is_handover": "colleague" in answer}


@weave.op
def correct(output: dict[str, Any], expected: str) -> bool:
    return expected.lower() in output["answer"].lower()


@weave.op
def similarity(output: dict[str, Any], reference: str) -> float:
    return round(SequenceMatcher(None, output["answer"], reference).ratio(), 3)


@weave.op
def resolution(output: dict[str, Any]) -> str:
    if output["is_handover"]:
        return "handed over"
    return "asked back" if output["answer"].endswith("?") else "answered"


class Tone(Scorer):
    """How polite an answer is, and how long. A stricter one takes more off for a bare answer."""

    strictness: float = 0.1

    @weave.op
    def score(self, output: dict[str, Any]) -> dict[str, Any]:
        answer = output["answer"].lower()
        missing = sum(word not in answer for word in ("thank", "help", "please"))
        score = round(1 - self.strictness * missing - len(answer) / 2000, 3)
        return {"tone": {"polite": missing < 3, "score": score}, "length": len(answer)}


class Handover(Scorer):
    """Whether the bot gave up, and how many answers it gave for each time that it did."""

    @weave.op
    def score(self, output: dict[str, Any]) -> bool:
        return bool(output["is_handover"])

    @weave.op
    def summarize(self, score_rows: list[Any]) -> dict[str, Any]:
        return {"answers_per_handover": len(score_rows) / sum(score_rows)}
