#!/usr/bin/env bash
# Runs a command with a PostgreSQL server of its own: in a temporary folder, as an unprivileged user, on a socket and on TLS at
# 127.0.0.1. The command finds the folder in CONCLAVE_TEST_POSTGRES: the socket, `ca.pem`, `port`. Everything is gone afterwards.
set -euo pipefail

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
[ -x "${bin:-}/initdb" ] || { echo "PostgreSQL is not installed; run \`make setup\`" >&2; exit 1; }
# initdb refuses to run as root.
as=()
[ "$(id -u)" != 0 ] || as=(setpriv --reuid=65534 --regid=65534 --clear-groups)

# In memory where there is plenty, for hundreds of databases are made and thrown away: some gigabytes and a hundred thousand
# files. Short enough for the name of a socket, and open to the unprivileged user.
place=/tmp
room() { df --output=avail -k "$1" 2>/dev/null | tail -n 1; }
free=$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo)
[ "$(room /dev/shm || echo 0)" -lt 8000000 ] || [ "${free:-0}" -lt 12000000 ] || place=/dev/shm
folder=$(mktemp -d "$place/conclave-pg.XXXXXX")
chmod 755 "$folder"
[ ${#as[@]} = 0 ] || chown 65534:65534 "$folder"
server=
# What it holds is thrown away, so it stops without writing it out, and a server that does not stop is not waited for.
stop() {
    if [ -n "$server" ] && kill -QUIT "$server" 2>/dev/null; then
        for _ in $(seq 200); do
            kill -0 "$server" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$server" 2>/dev/null || true
    fi
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT TERM

cd "$folder"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=Test authority" \
    -keyout ca.key -out ca.pem 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=localhost" -keyout server.key -out server.csr 2>/dev/null
printf 'subjectAltName=DNS:localhost\n' >server.ext
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext -out server.pem 2>/dev/null
rm ca.key
chmod 600 server.key
[ ${#as[@]} = 0 ] || chown 65534:65534 server.key server.pem

echo "a password for tests" >password
chmod 644 password
"${as[@]}" "$bin/initdb" -D "$folder/data" -U conclave -E UTF8 --locale=C --auth-local=trust --auth-host=scram-sha-256 \
    --pwfile=password >/dev/null
# Below what systems hand out to clients.
port=$((20000 + RANDOM % 10000))
echo "$port" >port
"${as[@]}" "$bin/postgres" -D "$folder/data" -k "$folder" -p "$port" -c listen_addresses=127.0.0.1 -c max_connections=400 \
    -c ssl=on -c ssl_cert_file="$folder/server.pem" -c ssl_key_file="$folder/server.key" \
    -c shared_buffers=64MB -c dynamic_shared_memory_type=mmap -c max_wal_size=4GB -c log_destination=stderr >"$folder/log" 2>&1 &
server=$!
for _ in $(seq 100); do
    "$bin/pg_isready" -q -h "$folder" -p "$port" && break
    kill -0 "$server" 2>/dev/null || { cat "$folder/log" >&2; exit 1; }
    sleep 0.1
done
cd "$OLDPWD"
CONCLAVE_TEST_POSTGRES="$folder" "$@"
