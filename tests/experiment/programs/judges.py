"""Another judge for program three."""


def careful_judge(output: int, expected_output: int) -> float:
    return 1.0 if output == expected_output else 0.5
