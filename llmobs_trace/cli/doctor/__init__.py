"""Examines the set-up for `llmobs-trace doctor`, a module each, and concludes how things stand.

command   what is shown
settings  every option, and where its value is from
reach     whether the destination can be reached
names     whether what has a name there would be found or made
check     what is said of one thing that was looked at
sample    the bytes that one span would be sent as
ledgers   what became of the events of each process
verdict   all of it → one line, and the exit code
"""
