"""Compares two experiments for `llmobs-trace compare`: in words, as a table and as Markdown.

words     numbers → what is said of them
flipped   rows that say something else in B
table     all of it for a terminal
markdown  all of it for a pull request
"""
