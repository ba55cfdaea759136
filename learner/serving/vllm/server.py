"""The few calls of a vLLM server's API that a policy needs, with errors as sentences."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from learner.protocol import PolicyError
from learner.serving.http import Remote

TOP_LOGPROBS = 20
"""A server's default maximum (`--max-logprobs`)."""


class Model(BaseModel):
    """One of the models that a server serves: a base model, or an adapter with its base as `parent`."""

    id: str
    root: str | None = None
    """A base model's name or folder, an adapter's folder."""
    parent: str | None = None


class _Models(BaseModel):
    data: list[Model]


class _Tokens(BaseModel):
    tokens: list[int]


class _Text(BaseModel):
    prompt: str


class Chance(BaseModel):
    """A possible token with its log-probability."""

    token: str
    logprob: float


class Drawn(Chance):
    """The sampled token, with the most probable tokens at its position."""

    top_logprobs: list[Chance] = []


class _Logprobs(BaseModel):
    content: list[Drawn]


class _Message(BaseModel):
    content: str | None


class Completion(BaseModel):
    """An answer with its tokens, end token included."""

    message: _Message
    logprobs: _Logprobs
    token_ids: list[int]
    finish_reason: str

    @property
    def text(self) -> str:
        """The answer without its end token."""
        return self.message.content or ""

    @property
    def drawn(self) -> list[Drawn]:
        """Its tokens with their log-probabilities."""
        return self.logprobs.content


class _Completions(BaseModel):
    choices: list[Completion]


_Shape = TypeVar("_Shape", bound=BaseModel)


class VllmServer(Remote):
    """Client of one vLLM server. Every call may raise `PolicyError`."""

    kind = "The vLLM server"

    async def models(self) -> list[Model]:
        """The base models and adapters that it serves."""
        return self._read(_Models, *await self.fetch("GET", "/v1/models")).data

    async def load(self, name: str, folder: Path) -> None:
        """Load an adapter from a folder, which must have the same path on the server's machine."""
        status, answer = await self.fetch(
            "POST", "/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(folder)}
        )
        if status == 200:
            return
        said = _said(answer)
        fix = ""
        if status == 404 and name in said:
            fix = f". The server must see the adapters' folder under the same path, {folder.parent}"
        elif status == 404:
            fix = ". Start it with VLLM_ALLOW_RUNTIME_LORA_UPDATING=True in its environment"
        elif "not enabled" in said:
            fix = ". Start it with --enable-lora"
        elif status not in (400, 500):  # 500 is also what it says of an adapter that does not fit
            raise self._refusal(status, said)
        raise PolicyError(
            f"{self.kind} at {self.url} does not load adapter {name!r}: {said}{fix}", retry=False
        )

    async def unload(self, name: str) -> None:
        """Unload an adapter."""
        status, answer = await self.fetch("POST", "/v1/unload_lora_adapter", {"lora_name": name})
        if status not in (200, 404):  # one that is not there is what was asked for
            raise self._refusal(status, _said(answer))

    async def tokens(self, model: str, words: str) -> list[int]:
        """Token ids of a text."""
        body = {"model": model, "prompt": words, "add_special_tokens": False}
        return self._read(_Tokens, *await self.fetch("POST", "/tokenize", body)).tokens

    async def rendered(self, model: str, messages: Sequence[dict[str, Any]], answering: bool) -> str:
        """The text of messages by the model's chat template, with or without a generation prompt."""
        body = {"model": model, "messages": list(messages), "add_generation_prompt": answering}
        tokens = self._read(_Tokens, *await self.fetch("POST", "/tokenize", body)).tokens
        body = {"model": model, "tokens": tokens}
        return self._read(_Text, *await self.fetch("POST", "/detokenize", body)).prompt

    async def complete(
        self,
        model: str,
        messages: Sequence[dict[str, Any]],
        choices: Sequence[str],
        seed: int,
        top: int = 0,
        temperature: float = 1.0,
    ) -> Completion:
        """Sample one of `choices` under the grammar.

        Every option that changes the distribution is switched off explicitly, because a server takes missing
        options from the model's generation settings.
        """
        body = {
            "model": model,
            "messages": list(messages),
            "structured_outputs": {"choice": list(choices)},
            "max_completion_tokens": max(map(len, choices)) + 1,
            "temperature": temperature,
            "top_p": 1.0,
            "top_k": 0,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "seed": seed,
            "logprobs": True,
            "top_logprobs": top,
            "return_token_ids": True,
        }
        found = self._read(_Completions, *await self.fetch("POST", "/v1/chat/completions", body))
        if len(found.choices) != 1 or len(found.choices[0].drawn) != len(found.choices[0].token_ids):
            raise self._unknown("it does not hold one answer with the log-probability of each token")
        return found.choices[0]

    def _read(self, shape: type[_Shape], status: int, answer: object) -> _Shape:
        if status != 200:
            raise self._refusal(status, _said(answer))
        try:
            return shape.model_validate(answer)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise self._unknown(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error

    def _unknown(self, what: str) -> PolicyError:
        return PolicyError(
            f"{self.kind} at {self.url} answers in a form that is not known here ({what}): "
            "vLLM 0.12 or newer is needed",
            retry=False,
        )

    def _refusal(self, status: int, said: str) -> PolicyError:
        if status == 401:
            return PolicyError(
                f"{self.kind} at {self.url} refuses the key: RESPECT_SERVICE__SECRET must be its --api-key",
                retry=False,
            )
        if status == 404:  # an adapter is gone after the server was started again
            return PolicyError(f"{self.kind} at {self.url} does not know what it was asked for: {said}")
        if status == 400 and "model" in said and ("context length" in said or "maximum model length" in said):
            return PolicyError(
                f"The turn is too long for the server: {said} Start it with a larger --max-model-len.",
                retry=False,
            )
        away = status in (408, 429) or status >= 500
        return PolicyError(f"{self.kind} at {self.url} says {status}: {said}", retry=away)


def _said(answer: object) -> str:
    """The sentence in an error's body."""
    error = answer.get("error", answer) if isinstance(answer, dict) else answer
    return str(error.get("message", error) if isinstance(error, dict) else error)[:500]
