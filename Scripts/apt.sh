# Sourced by scripts that need a package of the system: installs it where that is possible.
#
# apt_install NAME PACKAGE MISSING: says MISSING in one line on standard error, and fails, where it cannot.
apt_install() {
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "$1: $3" >&2
    return 1
  fi
  as_root=""
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1 || ! sudo -n true 2>/dev/null; then
      echo "$1: $3; this account may not" >&2
      return 1
    fi
    as_root="sudo -n"
  fi
  echo "$1: installing $2" >&2
  log=$(mktemp)
  # A fresh image has no package lists yet.
  if apt_get "$2" || { $as_root apt-get update -qq >"$log" 2>&1 && apt_get "$2"; }; then
    rm -f "$log"
    return 0
  fi
  echo "$1: $3; apt-get said: $(grep -m 1 '^E:' "$log" || echo nothing)" >&2
  rm -f "$log"
  return 1
}

apt_get() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >"$log" 2>&1; }
