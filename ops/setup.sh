#!/usr/bin/env bash
# Installs what this machine lacks to build and run the server, and says what it does. What is there is left alone,
# so it may run any number of times. With --tests also what the gates and the browser stories need.
set -euo pipefail
cd "$(dirname "$0")/.."
source ops/versions.sh

tests=false
[ "${1:-}" = --tests ] && tests=true

say() { echo "setup: $*"; }
has() { command -v "$1" >/dev/null 2>&1; }

# What only the machine's owner can decide on: which Rust, which Node.
has cargo || { say "Rust is missing: install rustup, then run this again"; exit 1; }
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null ||
    { say "Node.js 20.19 or later is missing: install it, then run this again"; exit 1; }

# Debian packages.
packages=()
has cc && has c++ && has make || packages+=(build-essential)
has pkg-config || packages+=(pkg-config)
{ has pkg-config && pkg-config --exists openssl; } || packages+=(libssl-dev)
has cmake || packages+=(cmake)
# Translation of captions on this machine: the programs and the pairs of languages.
has lt-proc || packages+=(apertium)
for pair in eng-spa eng-cat fra-cat spa-cat fr-es por-cat es-pt; do
    [ -d "/usr/share/apertium/apertium-$pair" ] || packages+=("apertium-$pair")
done
if $tests; then
    # Voices to caption, and a second recogniser to check the words with.
    has espeak-ng || packages+=(espeak-ng)
    has flite || packages+=(flite)
    has pocketsphinx_continuous || packages+=(pocketsphinx)
    [ -d /usr/share/pocketsphinx/model/en-us ] || packages+=(pocketsphinx-en-us)
    has "${CHROMIUM:-/usr/bin/chromium}" || packages+=(chromium)
    has "${FIREFOX:-/usr/bin/firefox-esr}" || packages+=(firefox-esr)
    # A sound device for Firefox, which nobody hears.
    has pulseaudio || packages+=(pulseaudio)
    # A network of its own that loses packets, for one story.
    [ -x /usr/sbin/nft ] || packages+=(nftables)
    [ -x /usr/sbin/ip ] || packages+=(iproute2)
    has turnserver || packages+=(coturn)
    # A mail server that keeps nothing.
    /usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null || packages+=(python3-aiosmtpd)
    has openssl || packages+=(openssl)
    # Where Python's own packages are kept apart from the machine's.
    /usr/bin/python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
    # The other database; the tests start a server of their own.
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql)
fi
if [ ${#packages[@]} -gt 0 ]; then
    say "installing ${packages[*]}"
    root=()
    [ "$(id -u)" -eq 0 ] || root=(sudo)
    if [[ " ${packages[*]} " = *" coturn "* ]]; then
        # The tests start their own; the package's service is not to run, now or after a restart.
        "${root[@]}" mkdir -p /etc/systemd/system
        "${root[@]}" ln -sf /dev/null /etc/systemd/system/coturn.service
        say "coturn.service is masked: \`systemctl unmask coturn\` if this machine is to be a relay"
    fi
    if [[ " ${packages[*]} " = *" postgresql "* ]]; then
        # The same: no cluster is made with the package, and none is started.
        "${root[@]}" mkdir -p /etc/postgresql-common
        [ -e /etc/postgresql-common/createcluster.conf ] ||
            echo "create_main_cluster = false" | "${root[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
else
    say "the Debian packages are there"
fi

# What the page is built with: anew only when the lock file changed.
if cmp -s web/package-lock.json web/node_modules/.installed; then
    say "the web packages are there"
else
    say "installing the web packages"
    npm --prefix web ci --no-audit --no-fund --loglevel=error
    cp web/package-lock.json web/node_modules/.installed
fi

$tests || exit 0

for part in rustfmt clippy; do
    cargo "${part/rustfmt/fmt}" --version >/dev/null 2>&1 || { say "installing $part"; rustup component add "$part"; }
done
if [ "$("$DENY" --version 2>/dev/null)" = "cargo-deny $DENY_VERSION" ]; then
    say "cargo-deny $DENY_VERSION is there"
else
    say "building cargo-deny $DENY_VERSION (some minutes)"
    # Its own code need not be fast; a plain build is ready in half the time.
    cargo install cargo-deny --version "$DENY_VERSION" --locked --debug --quiet --force \
        --config profile.dev.debug=0 --root "$TOOLS"
fi

# What asks the control API everything that its description allows and does not, with all that it needs in the versions of the list.
if cmp -s ops/schemathesis.txt "$SCHEMATHESIS/.installed"; then
    say "schemathesis $SCHEMATHESIS_VERSION is there"
else
    say "installing schemathesis $SCHEMATHESIS_VERSION"
    rm -rf "$SCHEMATHESIS"
    /usr/bin/python3 -m venv "$SCHEMATHESIS"
    "$SCHEMATHESIS/bin/pip" install --quiet --disable-pip-version-check --no-deps -r ops/schemathesis.txt
    cp ops/schemathesis.txt "$SCHEMATHESIS/.installed"
fi
