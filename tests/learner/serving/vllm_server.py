"""A server with vLLM's API on a real socket, checked by vllm_contract.json: a toy model with vLLM's sampling.

It behaves like vLLM: choices are a grammar over characters, so an action may be generated in other tokens than the
tokenizer's own; adapters are loaded by name; probabilities are those of the sampling distribution.
"""

import asyncio
import hashlib
import json
import math
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import jsonschema
from aiohttp import web

CONTRACT = json.loads((Path(__file__).parent / "vllm_contract.json").read_text())
USER, ASSISTANT, END, IMAGE = "<user>", "<assistant>", "<end>", "<image>"
PIECES = ["select", "deselect", *(f" {letter}" for letter in "ABCDEFGHIJ"), " select", "QQ"]
VOCABULARY = [USER, ASSISTANT, END, IMAGE, *PIECES, *map(chr, range(32, 127))]
ODD_PIECE = -7.0
"""Log-probability of a single character inside a word."""


def tokenise(text: str) -> list[int]:
    """The toy tokenizer: the longest piece first."""
    tokens = []
    while text:
        token = max((piece for piece in VOCABULARY if text.startswith(piece)), key=len)
        tokens.append(VOCABULARY.index(token))
        text = text[len(token) :]
    return tokens


class VllmLike:
    """The server. Its attributes switch faults on."""

    def __init__(self, model: str, key: str | None = None) -> None:
        self.model = model
        self.key = key
        self.lead = ""
        """Text that its chat template writes before an answer."""
        self.lora_updates = True
        self.raw = False
        """Log-probabilities over the whole vocabulary, in place of the choices."""
        self.unguided = False
        """Whether choices are ignored."""
        self.oddly = 0
        """Number of answers that are generated in single characters."""
        self.failures = 0
        """Number of completions that fail with 503."""
        self.delay = 0.0
        self.room = 100_000
        """Length of the longest prompt in tokens; an image counts as one."""
        self.adapters: dict[str, str] = {}
        self.requests: list[tuple[str, Any]] = []
        self.breaches: list[str] = []
        """Requests and answers of this server that violate the contract."""
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._guard], client_max_size=16 * 2**20)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/load_lora_adapter", self._load)
        app.router.add_post("/v1/unload_lora_adapter", self._unload)
        app.router.add_post("/tokenize", self._tokenize)
        app.router.add_post("/detokenize", self._detokenize)
        app.router.add_post("/v1/chat/completions", self._complete)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def asked(self, path: str) -> list[Any]:
        """The bodies of the requests to one path."""
        return [body for asked, body in self.requests if asked == path]

    @property
    def turns(self) -> list[Any]:
        """The completions asked for, without probes."""
        asked = self.asked("/v1/chat/completions")
        return [body for body in asked if len(body["structured_outputs"]["choice"]) > 1]

    # The model

    def logp(self, body: dict[str, Any], answer: str, tokens: Sequence[int] | None = None) -> float:
        """Log-probability of an answer to a request, in the tokenizer's own tokens or in others."""
        choices, total, written = body["structured_outputs"]["choice"], 0.0, ""
        for token in [*(tokenise(answer) if tokens is None else tokens), VOCABULARY.index(END)]:
            total += self._chances(body, choices, written)[VOCABULARY[token]]
            written += VOCABULARY[token]
        return total

    def _chances(self, body: dict[str, Any], choices: Sequence[str], written: str) -> dict[str, float]:
        """Log-probabilities of the tokens that the choices allow after what is written."""
        left = [choice[len(written) :] for choice in choices if choice.startswith(written)]
        legal = {token for token in VOCABULARY if any(rest.startswith(token) for rest in left)}
        if "" in left:
            legal.add(END)
        seed = json.dumps([body["model"], body["messages"], written])
        source = random.Random(hashlib.sha256(seed.encode()).digest())
        values = {token: source.gauss(0, 1) for token in VOCABULARY}
        for token in legal:
            if len(token) == 1 and any(len(other) > 1 and other[0] == token for other in legal):
                values[token] += ODD_PIECE
        allowed = VOCABULARY if self.raw else legal
        values = {token: value / body["temperature"] for token, value in values.items()}
        whole = math.log(math.fsum(math.exp(values[token]) for token in allowed))
        return {token: values[token] - whole for token in legal}

    def _answer(self, body: dict[str, Any]) -> tuple[list[str], list[dict[str, float]]]:
        source = random.Random(body["seed"])
        choices = ["I see a bird"] if self.unguided else body["structured_outputs"]["choice"]
        odd = self.oddly > 0 and len(choices) > 1
        self.oddly -= odd
        tokens, chances = [], []
        while not tokens or tokens[-1] != END:
            chances.append(self._chances(body, choices, "".join(tokens)))
            open_to = {t: p for t, p in chances[-1].items() if not odd or len(t) == 1 or t == END}
            tokens += source.choices(list(open_to), [math.exp(p) for p in open_to.values()])
        return tokens, chances

    # The routes

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        given = request.headers.get("Authorization")
        if self.key is not None and request.path.startswith("/v1") and given != f"Bearer {self.key}":
            return web.json_response({"error": "Unauthorized"}, status=401)
        route = CONTRACT["routes"][f"{request.method} {request.path}"]
        body = await request.json() if request.can_read_body else None
        self.requests.append((request.path, body))
        self._hold(f"a request to {request.path}", body, route["request"])
        response = await handler(body)
        answer = response.text if response.content_type == "text/plain" else json.loads(response.text)
        schema = route["answer"] if response.status == 200 else CONTRACT["error"]
        self._hold(f"an answer of {request.path}", answer, schema)
        return response

    def _hold(self, what: str, value: Any, schema: Any) -> None:
        for error in jsonschema.Draft202012Validator(schema).iter_errors(value):
            self.breaches.append(f"{what}: {error.json_path}: {error.message[:200]}")

    async def _models(self, _body: None) -> web.Response:
        card = {"object": "model", "created": 0, "owned_by": "vllm", "permission": []}
        base = card | {"id": self.model, "root": self.model, "parent": None, "max_model_len": self.room}
        loaded = [
            card | {"id": name, "root": root, "parent": self.model, "max_model_len": None}
            for name, root in self.adapters.items()
        ]
        return web.json_response({"object": "list", "data": [base, *loaded]})

    async def _load(self, body: dict[str, Any]) -> web.Response:
        name, folder = body["lora_name"], body["lora_path"]
        if not self.lora_updates:
            return _error(404, "Not Found", "Not Found")
        if name in self.adapters:
            return _error(400, f"The lora adapter '{name}' has already been loaded.", "InvalidUserInput")
        if not (Path(folder) / "adapter_config.json").is_file():
            return _error(404, f"Loading lora {name} failed: No adapter found for {folder}", "NotFoundError")
        self.adapters[name] = folder
        return web.Response(text=f"Success: LoRA adapter '{name}' added successfully.")

    async def _unload(self, body: dict[str, Any]) -> web.Response:
        if self.adapters.pop(body["lora_name"], None) is None:
            return _error(404, f"The lora adapter '{body['lora_name']}' cannot be found.", "NotFoundError")
        return web.Response(text=f"Success: LoRA adapter '{body['lora_name']}' removed successfully.")

    async def _tokenize(self, body: dict[str, Any]) -> web.Response:
        text = body["prompt"] if "prompt" in body else self._render(body["messages"])
        if "messages" in body and body["add_generation_prompt"]:
            text += ASSISTANT
        tokens = tokenise(text)
        return web.json_response({"count": len(tokens), "max_model_len": self.room, "tokens": tokens})

    async def _detokenize(self, body: dict[str, Any]) -> web.Response:
        return web.json_response({"prompt": "".join(VOCABULARY[token] for token in body["tokens"])})

    async def _complete(self, body: dict[str, Any]) -> web.Response:
        await asyncio.sleep(self.delay)
        if self.failures > 0:
            self.failures -= 1
            return _error(503, "The engine is busy", "ServiceUnavailableError")
        if body["model"] != self.model and body["model"] not in self.adapters:
            return _error(404, f"The model `{body['model']}` does not exist.", "NotFoundError")
        prompt = len(tokenise(self._render(body["messages"]) + ASSISTANT))
        if prompt > self.room:
            said = f"This model's maximum context length is {self.room} tokens. However, your prompt contains more."
            return _error(400, said, "BadRequestError")
        tokens, chances = self._answer(body)
        content = [
            _chance(token, at[token])
            | {
                "top_logprobs": [
                    _chance(*pair)
                    for pair in sorted(at.items(), key=lambda pair: -pair[1])[: body["top_logprobs"]]
                ]
            }
            for token, at in zip(tokens, chances, strict=True)
        ]
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": "".join(tokens[:-1]), "reasoning": None},
            "logprobs": {"content": content},
            "finish_reason": "stop",
            "stop_reason": None,
            "token_ids": [VOCABULARY.index(token) for token in tokens],
        }
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": len(tokens),
            "total_tokens": prompt + len(tokens),
        }
        head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": body["model"]}
        return web.json_response(head | {"choices": [choice], "usage": usage})

    def _render(self, messages: Sequence[dict[str, Any]]) -> str:
        text = ""
        for message in messages:
            words = "".join(part.get("text", IMAGE) for part in message["content"])
            text += USER + words if message["role"] == "user" else ASSISTANT + self.lead + words
            text += END
        return text


def _chance(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": max(logprob, -9999.0), "bytes": list(token.encode())}


def _error(status: int, message: str, kind: str) -> web.Response:
    body = {"error": {"message": message, "type": kind, "param": None, "code": status}}
    return web.json_response(body, status=status)
