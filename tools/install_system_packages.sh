#!/usr/bin/env bash
# Installs the system packages that some tests will want: a software HSM, a database server, a browser.
# Nothing calls this yet: today's tests need none of them.
set -euo pipefail

install_system_packages() {
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "Not root on a Debian system: install softhsm2, postgresql and chromium yourself." >&2
        return 0
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -qq --yes --no-install-recommends softhsm2 postgresql chromium
}

install_system_packages
