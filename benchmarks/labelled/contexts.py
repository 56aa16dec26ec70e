"""Lists where passwords and keys stand that have no form of their own, and puts one into each place."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.labelled.made import basic, jwt, made

# Passwords as people and as programs make them.
_SECRETS: Final = ("{A24}", "{L4}{d2}{L4}{d3}", "{h32}", "{A9}-{A6}", "{L6}{d4}!{A3}", "{L5}{d2}*{A4}")


def places() -> Iterator[str]:
    """Lines of shells, settings, programs, headers and messages, in which `¤` stands for a secret."""
    for line in Path(__file__).with_name("places.txt").read_text("utf-8").splitlines():
        yield line.replace("\\\\", "\0").replace("\\n", "\n").replace("\0", "\\")


def structures(secret: str) -> Iterator[tuple[str, Any]]:
    """Values of JSON in which a name, or what stands beside it, gives the secret away."""
    yield "a member", {"password": secret}
    yield "deep within a member", {"credentials": {"user": "bob", "any": [secret]}}
    yield "a provider's key", {"OPENAI_KEY": secret}
    yield "headers as pairs", [["accept", "*/*"], ["x-api-key", secret]]
    yield "headers as pairs, bytes read", [["Authorization", f"Bearer {secret}"]]
    yield "an environment as a list", [{"name": "DB_PASSWORD", "value": secret}]
    yield "an environment in capitals", [{"Name": "DB_PASSWORD", "Value": secret}]
    yield "a header with its value", {"header": "x-api-key", "value": secret}
    yield "a field of a form", {"field": "password", "content": secret}
    yield "a key with its value", {"key": "client_secret", "value": secret}
    yield "arguments of a command", ["tool", "--password", secret, "run"]
    yield "an option of a command", ["tool", "--api-key", secret]
    yield "an option with a sign", ["tool", f"--token={secret}"]
    yield "cookies", {"cookies": {"sid": secret}}
    yield "a cookie", {"Cookie": f"sid={secret}"}
    yield "Docker's settings", {"auths": {"https://r.example": {"auth": basic("bob", secret)}}}
    yield "arguments of a tool, as text", {"arguments": json.dumps({"password": secret})}
    yield "arguments of a command, a short option", ["sshpass", "-p", secret, "ssh", "h.example"]
    yield "arguments of curl", ["curl", "-u", f"bob:{secret}", "https://h.example"]
    yield "secrets as a list", {"secrets": [secret]}
    yield "headers as an object", {"headers": {"authorization": f"Bearer {secret}"}}
    yield "a recorded request's header", {"headers": [{"name": "Authorization", "value": f"Bearer {secret}"}]}
    yield "a recorded request's cookie", {"cookies": [{"name": "session", "value": secret}]}
    yield "an answer of OAuth", {"refresh_token": secret, "scope": "read"}
    yield "a stack's parameter", {"ParameterKey": "MasterPassword", "ParameterValue": secret}
    yield "a secret of Kubernetes", {"kind": "Secret", "stringData": {"conn": secret}}
    yield "a private JSON Web Key", {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1g", "d": secret}
    yield "a secret JSON Web Key", {"kty": "oct", "k": secret}
    yield "JSON within JSON", {"body": json.dumps({"raw": json.dumps({"api_key": secret})})}


# What stands before and behind the lines of a private key; the hyphen keeps scanners from taking it for one.
_PARTS_OF_A_KEY: Final = (
    ("a key's file without its beginning", "", "\n-----END RSA PRIVATE-KEY-----"),
    ("a key's file without its end", "-----BEGIN PRIVATE-KEY-----\n", ""),
    (
        "a key's file, its lines escaped",
        '{"private_key": "-----BEGIN PRIVATE-KEY-----\\n',
        '\\n-----END PRIVATE-KEY-----"}',
    ),
    (
        "a key's file in YAML",
        "key: |\n    -----BEGIN PRIVATE-KEY-----\n    ",
        "\n    -----END PRIVATE-KEY-----",
    ),
    (
        "a key's file in an environment",
        'TLS_KEY="-----BEGIN EC PRIVATE-KEY-----\n',
        '\n-----END EC PRIVATE-KEY-----"',
    ),
    (
        "a PGP key",
        "-----BEGIN PGP PRIVATE-KEY BLOCK-----\nVersion: 1\n\n",
        "\n-----END PGP PRIVATE-KEY BLOCK-----",
    ),
)


def contexts(seed: int) -> Iterator[tuple[str, Any, str]]:
    """For each place: what it is, a value with a secret in it, the secret."""
    chance = random.Random(seed)
    for place in places():
        secret = made(chance.choice(_SECRETS), chance)
        if "{basic}" in place:
            secret = basic("bob", secret)
            text = place.replace("{basic}", secret)
        elif "{jwt}" in place:
            secret = jwt(chance)
            text = place.replace("{jwt}", secret)
        else:
            text = place.replace("¤", secret)
        yield place, text, secret
    for what, value in structures(secret := made("{A12}{d2}{A10}", chance)):
        shown = basic("bob", secret) if what == "Docker's settings" else secret
        yield what, value, shown
    pem = [made("{b64}", chance) for _ in range(4)]
    lines = ["-----BEGIN RSA " + "PRIVATE KEY-----", *pem, "-----END RSA " + "PRIVATE KEY-----"]
    yield "a key's file, as text", "\n".join(lines), pem[2]
    yield "a key's file, as lines", lines, pem[2]
    for what, before, after in _PARTS_OF_A_KEY:
        sep = "\\n" if "\\n" in before else "\n    " if "\n    " in before else "\n"
        yield (
            what,
            before.replace("PRIVATE-", "PRIVATE ") + sep.join(pem) + after.replace("PRIVATE-", "PRIVATE "),
            pem[2],
        )
    yield "a key's file, in base64's JSON", {"private_key": "\n".join(lines)}, pem[2]
    encoded = base64.b64encode(pem[0].encode()).decode()
    yield "bytes in base64", {"password": encoded}, encoded
