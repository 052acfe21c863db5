#!/bin/sh
# The steps of a release, for the workflow and for a machine at hand. Run it at the top of the repository.
#
#   deploy/release.sh build TARGET            a binary of its own for TARGET, run once, without shared libraries on Linux
#   deploy/release.sh pack TAG TARGET         OUT/lastbeat-TAG-TARGET.tar.gz: the binary, rules, deploy, docs, dashboards,
#                                             fly.toml; with GITHUB_REPOSITORY, fly.toml and compose.yaml name its image
#   deploy/release.sh deb TAG TARGET          OUT/lastbeat-TAG-TARGET.deb of what `build` made, by cargo-deb
#   deploy/release.sh finish TAG REPOSITORY   OUT/SHA256SUMS, OUT/install.sh and OUT/lastbeat.rb (Homebrew), with the
#                                             checksums of the archives and packages in OUT; REPOSITORY is the account and the name
#
# OUT is `out` by default; BINARY is the binary to pack, by default the one that `build` made.
set -eu

OUT=${OUT:-out}

fail() {
  echo "release.sh: $*" >&2
  exit 1
}

binary() {
  echo "${BINARY:-target/$1/dist/lastbeat}"
}

# What a build for a target needs beside Rust itself.
prepared() {
  if [ ! -d "$(rustc --print target-libdir --target "$1")" ]; then
    fail "Rust's standard library for $1 is missing: rustup target add $1"
  fi
  case $1 in
    *-linux-musl)
      # SQLite, ring and zstd are built from C.
      compiler=CC_$(echo "$1" | tr - _)
      if eval "test -n \"\${$compiler:-}\"" || command -v "${1%%-*}-linux-musl-gcc" > /dev/null; then return; fi
      if ! command -v musl-gcc > /dev/null; then fail "a C compiler for musl is missing: apt-get install musl-tools, or name one in $compiler"; fi
      export "$compiler=musl-gcc" ;;
  esac
}

build() {
  prepared "$1"
  cargo build --locked --profile dist --target "$1"
  made=$(binary "$1")
  "$made" --version
  "$made" check --print --rules rules > /dev/null
  case $1 in
    *-linux-musl)
      if readelf --dynamic "$made" | grep NEEDED; then fail "$made needs a shared library"; fi ;;
  esac
}

pack() {
  name=lastbeat-$1-$2
  rm -rf "${OUT:?}/$name"
  mkdir -p "$OUT/$name"
  cp "$(binary "$2")" "$OUT/$name/lastbeat"
  cp README.md CHANGELOG.md LICENSE fly.toml "$OUT/$name"
  cp -R rules deploy docs dashboards "$OUT/$name"
  python3 dashboards/build.py "$OUT/$name/dashboards" \
    --runbook "${GITHUB_REPOSITORY:+https://github.com/$GITHUB_REPOSITORY/blob/$1/}docs/runbook.md"
  if [ -n "${GITHUB_REPOSITORY:-}" ]; then
    image=$(echo "ghcr.io/$GITHUB_REPOSITORY:${1#v}" | tr '[:upper:]' '[:lower:]')
    prebuilt "$OUT/$name" "$image"
  fi
  tar -C "$OUT" -czf "$OUT/$name.tar.gz" "$name"
  rm -rf "${OUT:?}/$name"
  echo "$OUT/$name.tar.gz"
}

# PROFILE is that of the binary, by default the one of `build`.
deb() {
  if ! command -v cargo-deb > /dev/null; then fail "cargo-deb is missing: cargo install cargo-deb --locked"; fi
  mkdir -p "$OUT"
  cargo deb --locked --no-build --no-strip --profile "${PROFILE:-dist}" --target "$2" --deb-version "${1#v}" \
    --output "$OUT/lastbeat-$1-$2.deb"
}

# Lets fly.toml and compose.yaml in a folder use an image: there is nothing to build one from.
prebuilt() {
  awk -v image="$2" '$0 == "[env]" { printf "[build]\nimage = \"%s\"\n\n", image } { print }' fly.toml > "$1/fly.toml"
  sed "s|{LASTBEAT_IMAGE:-lastbeat:0.0-local}|{LASTBEAT_IMAGE:-$2}|; /^    build: \.\.\$/d" deploy/compose.yaml > "$1/deploy/compose.yaml"
}

# The checksum of the archive for a target; empty where there is none.
sum_of() {
  sed -n "s/^\([0-9a-f]*\)  lastbeat-$1-$2\.tar\.gz\$/\1/p" "$OUT/SHA256SUMS"
}

finish() {
  tag=$1 repository=$2
  if [ -z "$(find "$OUT" -name '*.tar.gz' 2> /dev/null)" ]; then fail "no archive in $OUT: pack one first"; fi
  (cd "$OUT" && find . -name '*.tar.gz' -o -name '*.deb' | sed 's|^\./||' | sort | xargs sha256sum -- > SHA256SUMS)
  cat "$OUT/SHA256SUMS"
  base=https://github.com/$repository/releases/download/$tag
  {
    cat << EOF
#!/bin/sh
# Installs lastbeat $tag into PREFIX, by default \$HOME/.local: downloads the archive for this machine, compares its
# checksum with the one below, and copies the program. BASE is another place of the archives.
set -eu
PREFIX=\${PREFIX:-\$HOME/.local} BASE=\${BASE:-$base}
case \$(uname -s)-\$(uname -m) in
EOF
    machine Linux-x86_64 x86_64-unknown-linux-musl
    machine Linux-aarch64 aarch64-unknown-linux-musl
    machine Darwin-arm64 aarch64-apple-darwin
    cat << EOF
  *) echo "there is no binary for \$(uname -s) on \$(uname -m): cargo install --locked --git https://github.com/$repository" >&2; exit 1 ;;
esac
folder=\$(mktemp -d)
trap 'rm -rf "\$folder"' EXIT
if ! curl -fsSL "\$BASE/lastbeat-$tag-\$target.tar.gz" -o "\$folder/archive"; then
  echo "cannot download \$BASE/lastbeat-$tag-\$target.tar.gz: nothing is installed" >&2
  exit 1
fi
if command -v sha256sum > /dev/null; then found=\$(sha256sum "\$folder/archive"); else found=\$(shasum -a 256 "\$folder/archive"); fi
if [ "\${found%% *}" != "\$sum" ]; then
  echo "the checksum of the archive is \${found%% *}, and \$sum was expected: nothing is installed" >&2
  exit 1
fi
tar -xzf "\$folder/archive" -C "\$folder"
mkdir -p "\$PREFIX/bin"
install -m 755 "\$folder/lastbeat-$tag-\$target/lastbeat" "\$PREFIX/bin/lastbeat"
"\$PREFIX/bin/lastbeat" --version
case :\$PATH: in
  *:"\$PREFIX/bin":*) echo "installed as \$PREFIX/bin/lastbeat; try: lastbeat demo" ;;
  *) echo "installed as \$PREFIX/bin/lastbeat, which is not in PATH; try: \$PREFIX/bin/lastbeat demo" ;;
esac
EOF
  } > "$OUT/install.sh"
  {
    cat << EOF
class Lastbeat < Formula
  desc "Alerts within seconds when logs go quiet, and names the hop that went quiet"
  homepage "https://github.com/$repository"
  version "${tag#v}"
  license "MIT"
EOF
    bottles on_macos "$(bottle on_arm aarch64-apple-darwin)"
    bottles on_linux "$(bottle on_arm aarch64-unknown-linux-musl; bottle on_intel x86_64-unknown-linux-musl)"
    cat << EOF

  def install
    bin.install "lastbeat"
    pkgshare.install "rules", "dashboards"
  end

  test do
    system bin/"lastbeat", "--version"
  end
end
EOF
  } > "$OUT/lastbeat.rb"
}

# A machine of install.sh.
machine() {
  sum=$(sum_of "$tag" "$2")
  if [ -n "$sum" ]; then echo "  $1) target=$2 sum=$sum ;;"; fi
}

# An archive of the formula.
bottle() {
  sum=$(sum_of "$tag" "$2")
  if [ -z "$sum" ]; then return; fi
  cat << EOF
    $1 do
      url "$base/lastbeat-$tag-$2.tar.gz"
      sha256 "$sum"
    end
EOF
}

# The archives of one system; nothing where there is none.
bottles() {
  if [ -n "$2" ]; then printf '\n  %s do\n%s\n  end\n' "$1" "$2"; fi
}

usage() {
  sed -n 's/^# \{0,1\}//; 3,11p' "$0"
}

case ${1:-}-$# in
  build-2) build "$2" ;;
  pack-3) pack "$2" "$3" ;;
  deb-3) deb "$2" "$3" ;;
  finish-3) finish "$2" "$3" ;;
  -h-1 | --help-1) usage ;;
  *) usage >&2; exit 64 ;;
esac
