"""Makes a text from its form: `sk-{w40}` is "sk-" and 40 word characters."""

from __future__ import annotations

import base64
import json
import random
import re
import string
from typing import Final

_SETS: Final = {
    "A": string.ascii_letters + string.digits,
    "a": string.ascii_lowercase + string.digits,
    "U": string.ascii_uppercase + string.digits,
    "L": string.ascii_letters,
    "l": string.ascii_lowercase,
    "h": "0123456789abcdef",
    "d": string.digits,
    "w": string.ascii_letters + string.digits + "_-",
    "b": string.ascii_letters + string.digits + "+/",
    "2": string.ascii_uppercase + "234567",
}
_PART: Final = re.compile(r"\{([AaUULlhdwb2])(\d+)\}")


def made(form: str, chance: random.Random) -> str:
    """A text of this form. What is made of many characters has a digit and a letter in it, as keys have."""

    def part(match: re.Match[str]) -> str:
        characters, length = _SETS[match[1]], int(match[2])
        text = [chance.choice(characters) for _ in range(length)]
        if length >= 6 and match[1] not in "dLl":
            text[0], text[length // 2] = (
                chance.choice([c for c in characters if c.isalpha()]),
                ("7" if "7" in characters else text[length // 2]),
            )
            text[-1] = chance.choice([c for c in characters if c.isalnum()])
        return "".join(text)

    form = form.replace("{uuid}", "{h8}-{h4}-{h4}-{h4}-{h12}")
    return _PART.sub(part, form)


def jwt(chance: random.Random) -> str:
    parts = (
        json.dumps(each).encode() for each in ({"alg": "HS256", "typ": "JWT"}, {"sub": str(chance.random())})
    )
    head = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    return f"{head}.{made('{A43}', chance)}"


def basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()
