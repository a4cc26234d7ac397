#!/usr/bin/env python3
"""Makes the owner's account, a room and its stream tokens over the server's own interface.

  prepare.py OWNER_INVITATION FOLDER PUBLISHERS SUBSCRIBERS

Writes FOLDER/publishers and FOLDER/viewers, a token a line.
"""
import json, ssl, sys, urllib.request

HERE = "https://127.0.0.1:8443"
AT_ONCE = 200
# The certificate was made a moment ago, by the server that is asked.
TLS = ssl._create_unverified_context()


def call(method, path, body, token=None):
    request = urllib.request.Request(HERE + path, json.dumps(body).encode(), method=method)
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, context=TLS) as answer:
        return json.loads(answer.read())


def main():
    invitation, folder, publishers, viewers = sys.argv[1:]
    account = {"email": "owner@example.org", "name": "The Owner", "password": "correct horse battery staple"}
    token = call("POST", "/api/invitations/accept", {"token": invitation, **account})["token"]
    places = {"key": "max_participants", "value": "thousand", "locked": False}
    call("PATCH", "/api/organisation/settings", places, token)
    room = call("POST", "/api/rooms", {"title": "Bench"}, token)["id"]
    call("PATCH", f"/api/rooms/{room}/settings", {"key": "start", "value": "anytime"}, token)
    for name, kind, count in (("publishers", "source", publishers), ("viewers", "viewer", viewers)):
        with open(f"{folder}/{name}", "w") as file:
            left = int(count)
            while left:
                wanted = {"kind": kind, "label": name, "expires_in_hours": 1, "count": min(left, AT_ONCE)}
                made = call("POST", f"/api/rooms/{room}/stream-tokens", wanted, token)["tokens"]
                file.writelines(one["token"] + "\n" for one in made)
                left -= len(made)


main()
