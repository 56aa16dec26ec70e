"""Reads litellm's calls, and names what of it is wrapped: its functions, its streams. User's thread.

litellm lies over other clients: what those do within one of its calls is that call. It is a router as well:
`anthropic/claude-x` is the model `claude-x` of the provider `anthropic`. Its answers have OpenAI's shapes,
and tell in `_hidden_params` who answered and for what price.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Final

from llmobs_trace.capture import active
from llmobs_trace.capture import recorder as slot
from llmobs_trace.model_calls import openai
from llmobs_trace.model_calls.call import Call, begin_call, current_call, streamed
from llmobs_trace.model_calls.clients import Client, Place
from llmobs_trace.model_calls.dialect import Answered, Asked, Dialect, Fold, read
from llmobs_trace.model_calls.openai import ChatCompletions, ChatFold, Embeddings, usage_tags
from llmobs_trace.model_calls.stainless import counting_retries
from llmobs_trace.model_calls.typed_streams import StreamTypes
from llmobs_trace.model_calls.wrappers import Args, Kwargs, wrapped, wrapped_coroutine

Function = Callable[..., Any]

# Credentials of providers, by whatever name each has for them; `max_tokens` is none.
_CREDENTIAL: Final = re.compile(
    r"api_key|secret|password|credential|access_key|session_token|(^|_)token$|ad_token|headers$"
)
# How a call is made and whereto, and what litellm and its router tell themselves.
_INTERNAL: Final = frozenset(
    {
        *("acompletion", "aembedding", "client", "custom_llm_provider", "fallbacks", "model_info"),
        *("model_list", "num_retries", "original_function", "retry_strategy", "shared_session"),
        *("specific_deployment", "max_retries", "timeout", "api_base", "base_url", "api_version"),
    }
)


# --- shapes -------------------------------------------------------------------------------------------------


def routed(arguments: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The provider and its model that `provider/model` names, or a model and `custom_llm_provider`."""
    model, provider = arguments.get("model"), arguments.get("custom_llm_provider")
    if not isinstance(model, str):
        return provider, None
    prefix, slash, rest = model.partition("/")
    if slash and (provider is None or provider == prefix):
        return prefix, rest
    return provider, model


class Completions(ChatCompletions):
    """`completion` and `acompletion`."""

    def asked(self, arguments: Mapping[str, Any]) -> Asked:
        return _asked(super().asked(_parameters(arguments)), arguments)

    def answered(self, response: Any) -> Answered:
        return _without_repeats(_answered(super().answered(response), response))

    def fold(self) -> Fold:
        return Chunks()


class Vectors(Embeddings):
    """`embedding` and `aembedding`."""

    def asked(self, arguments: Mapping[str, Any]) -> Asked:
        return _asked(super().asked(_parameters(arguments)), arguments)

    def answered(self, response: Any) -> Answered:
        return _answered(super().answered(response), response)


class Chunks(ChatFold):
    """The chunks of a streamed completion, the last of which says more than the others."""

    def __init__(self) -> None:
        super().__init__()
        self._last: Any = None

    def add(self, chunk: Any) -> None:
        super().add(chunk)
        self._last = chunk

    def answered(self) -> Answered:
        answer = _without_repeats(_answered(super().answered(), self._last))
        if answer.tags.get("input_tokens") is None:
            # The user did not ask for a chunk of it; the provider told litellm all the same.
            usage = read(_hidden(self._last), "usage")
            if type(usage).__name__ != "UnreportedUsage":
                answer.tags.update(usage_tags(usage))
        return answer


def _without_repeats(answer: Answered) -> Answered:
    """Take out of messages what they say elsewhere: thinking is there up to four times."""
    for said in answer.output if isinstance(answer.output, list) else [answer.output]:
        if isinstance(said, dict):
            said.pop("thinking_blocks", None)
            more = said.pop("provider_specific_fields", None)
            # Of a stream, what each of its chunks had.
            kept = [_but_repeats(each) for each in (more if isinstance(more, list) else [more])]
            if any(kept):
                said["provider_specific_fields"] = (
                    [each for each in kept if each] if len(kept) > 1 else kept[0]
                )
    return answer


def _but_repeats(more: Any) -> Any:
    if not isinstance(more, Mapping):
        return more
    return {name: value for name, value in more.items() if value is not None and name not in _TWICE}


_TWICE: Final = frozenset({"reasoning_content", "thinking_blocks", "refusal"})


def _parameters(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in arguments.items()
        if name not in _INTERNAL and not name.startswith("litellm_") and not _CREDENTIAL.search(name)
    }


def _hidden(response: Any) -> Any:
    """What litellm says of an answer; a private attribute of pydantic's, which is no member."""
    return getattr(response, "_hidden_params", None)


def _asked(asked: Asked, arguments: Mapping[str, Any]) -> Asked:
    provider, model = routed(arguments)
    return Asked(model, provider, asked.input)


def _answered(answer: Answered, response: Any) -> Answered:
    hidden = _hidden(response)
    tags = dict(answer.tags)
    provider = read(hidden, "custom_llm_provider")
    model = read(hidden, "provider_response_model") or tags.get("model_name")
    if isinstance(provider, str):
        tags["model_provider"] = provider
        if isinstance(model, str):
            tags["model_name"] = model.removeprefix(f"{provider}/")
    # Of a model whose price it does not know it says that a stream cost nothing.
    tags["cost_usd"] = tags.get("cost_usd") or read(hidden, "response_cost") or None
    return answer._replace(tags=tags)


# --- what is wrapped ----------------------------------------------------------------------------------------


class _LiteLLM(Client):
    """litellm, with the types of its streams."""

    def __init__(self) -> None:
        super().__init__("litellm", since="1.100.0")
        self.streams = StreamTypes()

    def unwrap(self) -> None:
        super().unwrap()
        self.streams.put_back()


CLIENT: Final = _LiteLLM()


class _Site:
    """A function of litellm's, whose arguments may come without their names."""

    def __init__(self, dialect: Dialect, original: Function) -> None:
        self._dialect = dialect
        self._names = tuple(inspect.signature(original).parameters)

    def begin(self, args: Args, kwargs: Kwargs, frame: Any) -> Call | None:
        # With these, it is the asynchronous function's own way to the synchronous one.
        if not CLIENT.is_on or kwargs.get("acompletion") is True or kwargs.get("aembedding") is True:
            return None
        return begin_call(self._dialect, {**dict(zip(self._names, args, strict=False)), **kwargs}, frame)

    def returned(self, call: Call, result: Any) -> Any:
        if hasattr(result, "__next__") or hasattr(result, "__anext__"):
            return CLIENT.streams.watch(result, streamed(call))
        call.answered(result)
        return result


def _openai_call(frame: FrameType | None) -> Call | None:
    """Of which call a retry of OpenAI's client is one: most providers are spoken to with it, and it is told
    how often litellm's caller wants it. Where that client is traced, its retries are counted already.
    """
    return None if openai.CLIENT.is_on else current_call(frame)


_COUNTING_OPENAI: Final = functools.partial(counting_retries, find_call=_openai_call)


def _counting(original: Function) -> Function:
    """What stands in the place of `completion_with_retries`, which makes all attempts but a call's first."""

    @functools.wraps(original)
    def with_retries(*args: Any, **kwargs: Any) -> Any:
        try:
            call = current_call(active.caller(0))
            if call is not None:
                again = kwargs.get("original_function") or sys.modules["litellm.main"].completion
                kwargs["original_function"] = _counted(again, call)
        except Exception as fault:
            slot.fault(fault)
        return original(*args, **kwargs)

    return with_retries


def _counted(again: Function, call: Call) -> Function:
    """An attempt that counts as a retry; of the same kind as what it is put around, as `tenacity` looks."""
    if inspect.iscoroutinefunction(again):

        @functools.wraps(again)
        async def attempt_async(*args: Any, **kwargs: Any) -> Any:
            call.retries += 1
            return await again(*args, **kwargs)

        return attempt_async

    @functools.wraps(again)
    def attempt(*args: Any, **kwargs: Any) -> Any:
        call.retries += 1
        return again(*args, **kwargs)

    return attempt


_CHAT: Final = Completions()
_EMBEDDINGS: Final = Vectors()
CLIENT.places = (
    Place("litellm", "completion", lambda its: wrapped(its, _Site(_CHAT, its))),
    Place("litellm", "acompletion", lambda its: wrapped_coroutine(its, _Site(_CHAT, its))),
    Place("litellm", "embedding", lambda its: wrapped(its, _Site(_EMBEDDINGS, its))),
    Place("litellm", "aembedding", lambda its: wrapped_coroutine(its, _Site(_EMBEDDINGS, its))),
    Place("litellm", "completion_with_retries", _counting, is_needed=False),
    Place("litellm", "acompletion_with_retries", _counting, is_needed=False),
    Place("openai._base_client", "BaseClient._calculate_retry_timeout", _COUNTING_OPENAI, is_needed=False),
)
