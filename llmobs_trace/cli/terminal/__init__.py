"""Shows what a command has to say: text that is safe, tables that are aligned, numbers that can be read.

screen    a terminal, a pipe or a file: each gets what suits it
text      anybody's text, made safe, and its width
table     columns
units     numbers as people read them
pager     more lines than a screen has
progress  how far something is
"""
