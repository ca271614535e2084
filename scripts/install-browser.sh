#!/bin/sh
# Installs with what `make soak` opens the console's pages: install-browser.sh FOLDER-OF-PROGRAMS [all]. The browsers are
# Debian's: Chromium, and with `all` Firefox ESR and WebKitGTK too. axe-core, which judges how accessible pages are, comes
# from npm. The tests are skipped where any of them is missing.
set -eu
. "$(dirname "$0")/as-root.sh"

if ! command -v chromium >/dev/null && command -v apt-get >/dev/null; then
    apt_install chromium
fi
if [ "${2:-}" = all ] && command -v apt-get >/dev/null; then
    # WebKitGTK has no mode without a screen (xvfb), and asks for pages in the language of its locale (locales).
    missing=""
    for pair in chromedriver=chromium-driver firefox-esr=firefox-esr WebKitWebDriver=webkit2gtk-driver Xvfb=xvfb; do
        command -v "${pair%=*}" >/dev/null || missing="$missing ${pair#*=}"
    done
    [ -f /usr/share/i18n/locales/de_DE ] || missing="$missing locales"
    # shellcheck disable=SC2086 # one argument for each package
    [ -z "$missing" ] || apt_install $missing
fi
"$1/python" -c "import playwright" 2>/dev/null || "$1/python" -m pip install --quiet playwright
if [ ! -f "$1/../axe/node_modules/axe-core/axe.min.js" ] && command -v npm >/dev/null; then
    npm install --silent --prefix "$1/../axe" axe-core@4.14.1 >&2
fi
