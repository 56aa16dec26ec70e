"""Takes secrets and personal data out of what is recorded; on the user's thread.

    configure(redact=secrets)
    configure(redact=chain(secrets, personal_data))
    configure(redact=chain(secrets, lambda field, value: "[hidden]" if field == "input" else value))

The nouns of this room:

- a **rule** finds one sort of thing in a text, in time that grows with the text alone (`rule`);
- **credentials** and **people** are the two tables of rules: credentials by what stands around them, with
  **providers** for the keys that have a form of their own, and **assigned** for what a name such as
  `password` is given in a text; **shapes** for names and values that stand apart in files and languages;
- **names** tell from a name what its value is, and **values** a secret from code, prose and placeholders;
- **checksums** tell a card number or an IBAN from any other digits;
- the **walk** goes through plain JSON: every string, number and name of a member.

What was there is said, not hidden: `[redacted: email]`. The shape stays: the same lists and members. Running
a redactor again changes nothing.

What they find has a form: a password in a sentence ("it is hunter2") has none, nor has a person's name. They
lower the risk; they don't prove that nothing is left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from llmobs_trace.errors import ConfigurationError

from . import credentials, names, people
from .walk import Walk

__all__ = ["chain", "personal_data", "secrets"]

Redact = Callable[[str, Any], Any]

_secrets: Final = Walk(credentials.RULES, names.named, hides_keys=True)
_personal_data: Final = Walk(people.RULES, people.named, people.card_in_number)


def secrets(field: str, value: Any) -> Any:
    """Take out what gives access: keys of common providers, tokens, private keys, passwords in URLs, and what
    stands behind a name such as `password`, as a member or in a text.

    >>> secrets("input", {"url": "postgres://bob:hunter2@db/x", "api_key": "k-1", "max_tokens": 5})
    {'url': 'postgres://[redacted: credentials]@db/x', 'api_key': '[redacted: API key]', 'max_tokens': 5}
    """
    return _secrets.through(value)


def personal_data(field: str, value: Any) -> Any:
    """Take out e-mail addresses, phone, card and US social security numbers, IBANs and IP addresses.

    >>> personal_data("output", "Write to ann@example.com or call +44 20 7946 0958.")
    'Write to [redacted: email] or call [redacted: phone number].'
    """
    return _personal_data.through(value)


def chain(*redactors: Redact) -> Redact:
    """One redactor out of several, each given what the one before it left; secrets first.

    >>> chain(secrets, personal_data)("tags", {"by": "ann@example.com", "password": "x"})
    {'by': '[redacted: email]', 'password': '[redacted: password]'}

    Raises `ConfigurationError` where one of them is none.
    """
    for redactor in redactors:
        if not callable(redactor):
            given = f"chain: given a {type(redactor).__name__}"
            raise ConfigurationError(f"{given}; expected redactors, as in chain(secrets, personal_data)")

    return _Chain(redactors)


class _Chain:
    """A class, since a function within a function can't be pickled, and workers have the same redactor."""

    def __init__(self, redactors: tuple[Redact, ...]) -> None:
        self._redactors = redactors

    def __call__(self, field: str, value: Any) -> Any:
        for redactor in self._redactors:
            value = redactor(field, value)
        return value
