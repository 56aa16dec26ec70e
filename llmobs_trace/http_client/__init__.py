"""Asks Datadog, or a server like it, by HTTP: what events and experiments are sent with.

request      one request on one connection → what came, or what broke, in words without keys
environment  the client, as the environment says of proxies and certificates
whole_import httpx, of which no other thread sees half while it is imported
deadline     one deadline for a whole request
clock        what deadlines go by
acceptance   which statuses accept; a 2xx answer's body → an acceptance, or what came in its place
backoff      when to try again
"""
