"""Exports an experiment for `llmobs-trace export`: its formats, and what spreadsheets and browsers need.

command   the formats that are lines, and writing any of them to a file
parquet   rows → a Parquet file
page      the viewer's pages → one file
bundle    modules of JavaScript → one script
cells     recorded text → what a spreadsheet shows and does not run
"""
