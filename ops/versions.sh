# Tools that the gates need beside the toolchain, and where they are kept: outside the work tree, so that all clones
# of one machine share them, and apart from what its owner installed. Sourced by the other scripts.
DENY_VERSION=0.20.2
SCHEMATHESIS_VERSION=4.32.5
TOOLS=${XDG_CACHE_HOME:-$HOME/.cache}/conclave/tools
DENY=$TOOLS/bin/cargo-deny
SCHEMATHESIS=$TOOLS/schemathesis
