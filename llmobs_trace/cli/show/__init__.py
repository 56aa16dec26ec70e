"""Shows an experiment for `llmobs-trace show`: its spans as trees, and its scores as a table.

row      one row → all of it, to be read
tree     a tree of spans → lines, with what was measured of each
answer   a recorded output → the words of an answer in it
took     a model call or a row → its model, tokens and cost
among    conditions and an order → the rows to choose from
scores   what was measured, and what rows took → a table
"""
