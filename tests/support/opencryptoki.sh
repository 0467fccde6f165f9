#!/usr/bin/env bash
# Probes openCryptoki's soft token: opencryptoki.sh PYTHON MODULE, in mount, IPC and process namespaces of its
# own (unshare), for the module's directories, socket and daemon are the host's. All ends with this script.
set -euo pipefail

for directory in /etc/opencryptoki /var/lib/opencryptoki /run /dev/shm; do
    mount -t tmpfs none "$directory"
done
mkdir -p /run/lock/opencryptoki/swtok /var/lib/opencryptoki/swtok/TOK_OBJ
chgrp -R pkcs11 /run/lock/opencryptoki /var/lib/opencryptoki
chmod -R 770 /run/lock/opencryptoki /var/lib/opencryptoki
printf 'version opencryptoki-3.1\nslot 0\n{\nstdll = libpkcs11_sw.so\n}\n' >/etc/opencryptoki/opencryptoki.conf
pkcsslotd
exec "$1" -m tests.support.opencryptoki "$2"
