"""What the shop is told from outside: environment variables, read once at the start."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

ENVIRONMENTS = ("development", "testing", "production")


class SettingsError(Exception):
    """The shop must not start like this."""


@dataclass(frozen=True)
class Settings:
    """All settings; the defaults are those of production, so that nothing has to be remembered there."""

    environment: str
    database_url: str
    cache_url: str
    payment_key: str = field(repr=False)
    payment_url: str

    @property
    def is_production(self) -> bool:
        return self.environment == "production"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        settings = cls(
            environment=environ.get("ENVIRONMENT", "production"),
            database_url=environ.get("DATABASE_URL", "postgresql://bookshop@db/bookshop"),
            cache_url=environ.get("CACHE_URL", "redis://cache"),
            payment_key=environ.get("PAYMENT_KEY", ""),
            payment_url=environ.get("PAYMENT_URL", "https://payments.example/charges"),
        )
        if settings.environment not in ENVIRONMENTS:
            raise SettingsError(
                f"ENVIRONMENT is {settings.environment!r}, not one of {', '.join(ENVIRONMENTS)}"
            )
        kind_of_key = "live_" if settings.is_production else "test_"
        if not settings.payment_key.startswith(kind_of_key):
            raise SettingsError(f"{settings.environment} needs a PAYMENT_KEY that starts with {kind_of_key}")
        return settings
