"""Models of real providers, by LangChain."""

import importlib.util
import os
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agentos.config.settings import ModelsSettings
from agentos.domain.error import UsageError
from agentos.domain.pipeline import Stage
from agentos.ports.chat_model import CallRef, Tokens
from agentos.ports.clock import Clock

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agentos.adapters.model.retrying_model import RetryingChatModel

KEYS: dict[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "google_genai": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "ollama": (),
}
"""The environment variables that may hold a provider's key, the usual one first; none where none is needed."""
PRICE_NAMES = {"google_genai": "google"}
EXTRAS = {"anthropic": "anthropic", "openai": "openai", "google_genai": "google", "ollama": "ollama"}
ALWAYS_STREAMS = ("ollama",)
CACHE_BY_WORD = ("anthropic",)
"""Who caches a conversation only when asked to; the others do it by themselves or not at all."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class LangChainModels:
    """Chat models by `provider:model`; each call is retried here and nowhere else, its errors become `OutsideError`."""

    def __init__(
        self,
        *,
        settings: ModelsSettings,
        clock: Clock,
        environment: Mapping[str, str] = os.environ,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._environment = environment
        self._jitter = jitter

    def require(self, model: str) -> None:
        """Raises UsageError for an unknown provider, or where its package or key is missing; so for its fallback."""
        for each in self.answering(model):
            provider, _ = _split(each)
            self._require_package(provider, each)
            self._key(provider, each)

    def open(self, model: str, call: CallRef) -> "BaseChatModel":
        """A chat model for one conversation; raises as `require` does."""
        self.require(model)
        spare = self._settings.fallback.get(model)
        return self._retrying(model, self._retrying(spare) if spare else None)

    def _retrying(self, model: str, spare: "RetryingChatModel | None" = None) -> "RetryingChatModel":
        from langchain.chat_models import init_chat_model  # a second of imports; dry runs and status never pay it

        from agentos.adapters.model.retrying_model import RetryingChatModel

        provider, name = _split(model)
        try:
            inner = init_chat_model(name, model_provider=provider, **self._options(provider, model))
        except (ImportError, ValueError) as error:
            raise UsageError(f"{model} cannot be used: {str(error).splitlines()[0]}") from error
        return RetryingChatModel(
            inner=inner,
            profile=inner.profile,
            model_name=model,
            streams=self._settings.streaming or provider in ALWAYS_STREAMS,
            caches=provider in CACHE_BY_WORD,
            spare=spare,
            clock=self._clock,
            jitter=self._jitter,
        )

    def cost_usd(self, model: str, used: Tokens) -> float | None:
        """The price of one call in US dollars, by the operator's price table, else by published prices; else None."""
        if own := self._settings.prices.get(model):
            return own.cost_usd(
                used.input_tokens, used.output_tokens, read=used.cache_read_tokens, written=used.cache_write_tokens
            )
        from genai_prices import Usage, calc_price  # its table is large; only paid runs read it

        provider, name = _split(model)
        try:
            price = calc_price(
                Usage(**asdict(used)),
                model_ref=name,
                provider_id=PRICE_NAMES.get(provider, provider),
            )
        except LookupError:
            return None
        return float(price.total_price)

    def answering(self, model: str) -> tuple[str, ...]:
        """The model, then its fallback where the operator named one."""
        spare = self._settings.fallback.get(model)
        return (model, spare) if spare else (model,)

    def leftovers(self, asked: Iterable[tuple[Stage, str, int, int]]) -> tuple[str, ...]:
        """Nothing: a real provider has no list of what it should be asked."""
        return ()

    def _require_package(self, provider: str, model: str) -> None:
        if provider not in KEYS:
            raise UsageError(f"{model} names an unknown provider {provider!r}; one of: {', '.join(sorted(KEYS))}")
        if importlib.util.find_spec(f"langchain_{provider}") is None:
            extra = EXTRAS[provider]
            raise UsageError(
                f"{model} needs the package langchain-{provider.replace('_', '-')}: "
                f"install agentos-orchestrator[{extra}]"
            )

    def _options(self, provider: str, model: str) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if base_url := self._settings.base_url.get(provider):
            options["base_url"] = base_url
        if provider == "ollama":
            return {**options, "client_kwargs": {"timeout": self._settings.timeout_s}}  # its client never retries
        if provider == "openai" and self._settings.streaming:
            options["stream_usage"] = True  # else a server of one's own is not asked what it used
        # The provider's own retries would multiply with ours (I12).
        return {
            **options,
            "api_key": self._key(provider, model),
            "max_retries": 0,
            "timeout": self._settings.timeout_s,
            "streaming": self._settings.streaming,
        }

    def _key(self, provider: str, model: str) -> str:
        for variable in KEYS[provider]:
            if value := self._environment.get(variable, "").strip():
                return value
        if not KEYS[provider] or urlsplit(self._settings.base_url.get(provider, "")).hostname in LOOPBACK:
            return "none"  # a server on this machine commonly wants no key, while the client insists on one
        raise UsageError(f"{model} needs a key: set the environment variable {KEYS[provider][0]}")


def _split(model: str) -> tuple[str, str]:
    provider, colon, name = model.partition(":")
    if not (provider and colon and name):
        raise UsageError(f"{model!r} is no model: write provider:model, for example anthropic:claude-opus-5-5")
    return provider, name
