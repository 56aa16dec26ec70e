"""Runs a real small experiment, the example to copy: a question-answering model over its own passages,
scored by four evaluators.

- `experiment`: the functions that are traced, and the run over the rows: start here
- `model`: TF-IDF retrieval and answer extraction, standard library only
- `dataset`: the passages, and the questions with their answers
"""
