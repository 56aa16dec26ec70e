"""Makes one frozen `Config` of options, arguments and environment, each checked; set-up only.

options    the table: names, environment variables, checks, defaults, documentation
checks     a value that a user gave → the option's own type, or what is wrong with it
config     all of them → one `Config`, with every decision taken
belonging  which experiment, project and dataset events belong to
inherited  what a process was handed by the one that started it
places     the user's directories
sites      Datadog's sites, and where each takes requests
"""
