#!/usr/bin/env bash
# Installs the system packages that some tests need: two software HSMs, one that must be refused, gcore (of gdb), and gcc for
# PKCS#11 modules that fail when they are told to.
# Called by `make test`; quick where all are there. Where they cannot be installed, their tests skip aloud, and
# with CI=true they fail.
set -euo pipefail

PACKAGES=(softhsm2 libnss3 opencryptoki gdb gcc libc6-dev)

missing_packages() {
    local package
    for package in "${PACKAGES[@]}"; do
        [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] \
            || echo "$package"
    done
}

install_system_packages() {
    local missing
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        echo "Not a Debian system: install ${PACKAGES[*]} yourself, or tests of HSMs are skipped." >&2
        return 0
    fi
    mapfile -t missing < <(missing_packages)
    if [ "${#missing[@]}" -eq 0 ]; then
        return 0
    fi
    if [ "$(id -u)" -ne 0 ]; then
        echo "Not root: install ${missing[*]} yourself (apt-get install), or tests of HSMs are skipped." >&2
        return 0
    fi
    echo "Installing ${missing[*]} ..." >&2
    export DEBIAN_FRONTEND=noninteractive
    if ! { apt-get update -qq && apt-get install -qq --yes --no-install-recommends "${missing[@]}"; } >&2; then
        echo "${missing[*]} could not be installed; tests that need them are skipped." >&2
    fi
}

install_system_packages
