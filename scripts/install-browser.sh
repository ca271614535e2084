#!/bin/sh
# Installs with what `make soak` opens the console's pages: install-browser.sh FOLDER-OF-PROGRAMS. Chromium is Debian's;
# axe-core, which judges how accessible they are, comes from npm. The tests are skipped where either is missing.
set -eu
. "$(dirname "$0")/as-root.sh"

if ! command -v chromium >/dev/null && command -v apt-get >/dev/null; then
    apt_install chromium
fi
"$1/python" -c "import playwright" 2>/dev/null || "$1/python" -m pip install --quiet playwright
if [ ! -f "$1/../axe/node_modules/axe-core/axe.min.js" ] && command -v npm >/dev/null; then
    npm install --silent --prefix "$1/../axe" axe-core@4.14.1 >&2
fi
