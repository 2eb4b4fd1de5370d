#!/bin/bash
# Build the Debian package build/ntc_VERSION_ARCH.deb: `make deb`, `make deb ARCH=arm64`.
#   build-deb.sh VERSION [amd64|arm64]
set -euo pipefail
cd "$(dirname "$0")/.."

version=$1
own_arch=$(dpkg --print-architecture)
arch=${2:-$own_arch}
build=build/deb-$arch
root=$build/root
maintainer=${DEB_MAINTAINER:-NTC maintainers <maintainers@ntc.example>}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

say() { echo "build-deb: $*"; }
fail() {
    echo "build-deb: $*" >&2
    exit 1
}

case $arch in
    amd64 | arm64) ;;
    *) fail "\"$arch\" is not built: choose amd64 or arm64" ;;
esac

# ---- compile ----

tool_prefix=
sysroot=
if [ "$arch" != "$own_arch" ]; then
    tool_prefix=$(dpkg-architecture -a "$arch" -q DEB_HOST_MULTIARCH 2>/dev/null)-
    sysroot=build/sysroot-$arch
fi
say "compiling for $arch"
mkdir -p build
deploy/make-for.sh "$arch" -j"$(nproc)" all >"$build.log" 2>&1 \
    || { tail -n 30 "$build.log" >&2; fail "the programs do not build"; }

# ---- the page ----

page_is_fresh() {
    [ -f webui/dist/index.html ] \
        && [ -z "$(find webui/src webui/public webui/index.html webui/package.json \
            webui/vite.config.ts -newer webui/dist/index.html -print -quit 2>/dev/null)" ]
}

# In a copy, so that nobody's dist is replaced.
build_page() {
    command -v npm >/dev/null || fail "npm is missing, the page cannot be built: apt-get install npm"
    say "building the page"
    rm -rf build/deb-page
    mkdir -p build/deb-page
    tar -C webui --exclude=./node_modules --exclude=./dist -c . | tar -C build/deb-page -x
    [ ! -d webui/node_modules ] || ln -s "$PWD/webui/node_modules" build/deb-page/node_modules
    (cd build/deb-page && { [ -d node_modules ] || npm ci --no-audit --no-fund; } && npm run build) \
        >build/deb-page.log 2>&1 \
        || { tail -n 30 build/deb-page.log >&2; fail "the page does not build"; }
}

page=
if [ -f webui/package.json ]; then
    page=webui/dist
    if ! page_is_fresh; then
        build_page
        page=build/deb-page/dist
    fi
fi

# ---- lay out ----

rm -rf "$root"
install -d "$root"/{DEBIAN,usr/sbin,usr/libexec/ntc,usr/lib/sysusers.d,usr/lib/tmpfiles.d} \
    "$root"/{usr/lib/modules-load.d,usr/share/man/man{5,8},usr/share/doc/ntc,etc/ntc} \
    "$root"/{usr/share/lintian/overrides,usr/share/ntc}
for program in collector aggregator gateway; do
    "${tool_prefix}strip" --strip-unneeded -R .comment -R .note \
        -o "$root/usr/sbin/ntc-$program" "$build/bin/ntc-$program"
    chmod 0755 "$root/usr/sbin/ntc-$program"
    gzip -9n <"docs/man/ntc-$program.8" >"$root/usr/share/man/man8/ntc-$program.8.gz"
done
awk -v version="$version" -f deploy/debian/man-config.awk configs/ntc.yaml \
    | gzip -9n >"$root/usr/share/man/man5/ntc.yaml.5.gz"

# lintian of Debian 12 looks for units in /lib, the one of Debian 13 in /usr/lib; both are one folder.
units=lib/systemd/system
grep -q '^VERSION_ID="12"' /etc/os-release || units=usr/lib/systemd/system
install -d "$root/$units"
install -m 0644 deploy/systemd/*.service deploy/systemd/*.target deploy/systemd/*.mount \
    "$root/$units/"
install -m 0644 deploy/systemd/remote.conf "$root/usr/share/ntc/remote.conf"
install -m 0644 deploy/systemd/ntc.sysusers "$root/usr/lib/sysusers.d/ntc.conf"
install -m 0644 deploy/systemd/ntc.tmpfiles "$root/usr/lib/tmpfiles.d/ntc.conf"
install -m 0644 deploy/systemd/ntc.modules-load "$root/usr/lib/modules-load.d/ntc.conf"
install -m 0755 deploy/debian/detach "$root/usr/libexec/ntc/detach"
install -m 0644 deploy/debian/lintian-overrides "$root/usr/share/lintian/overrides/ntc"
install -m 0644 deploy/debian/copyright README.md SECURITY.md "$root/usr/share/doc/ntc/"
for document in docs/*.md; do
    [ ! -f "$document" ] || install -m 0644 "$document" "$root/usr/share/doc/ntc/"
done
[ ! -d deploy/monitoring ] || cp -r deploy/monitoring "$root/usr/share/ntc/monitoring"
[ -z "$page" ] || cp -r "$page" "$root/usr/share/ntc/webui"

# The paths of a service, instead of those for trying NTC out in a folder.
sed -e 's|^  path: ./data/lists.json$|  path: /var/lib/ntc/lists.json|' \
    -e 's|^  token_file: ""$|  token_file: /var/lib/ntc-gateway/admin.token|' \
    -e 's|^  pin_path: /sys/fs/bpf/ntc$|  pin_path: /run/ntc/bpf/ntc|' \
    configs/ntc.yaml >"$root/etc/ntc/ntc.yaml"
[ "$(grep -cE '/var/lib/ntc/|/var/lib/ntc-gateway/|/run/ntc/bpf/ntc$' "$root/etc/ntc/ntc.yaml")" = 3 ] \
    || fail "configs/ntc.yaml has changed: adapt the paths of the package in deploy/build-deb.sh"
chmod 0640 "$root/etc/ntc/ntc.yaml"

# ---- control files ----

# What the programs are linked with, as dependencies with the versions they need.
dependencies() {
    mkdir -p "$build/shlibs/debian"
    printf 'Source: ntc\n\nPackage: ntc\nArchitecture: any\n' >"$build/shlibs/debian/control"
    (cd "$build/shlibs" && dpkg-shlibdeps -O ../root/usr/sbin/ntc-*) 2>"$build/shlibs.log" \
        | sed -n 's/^shlibs:Depends=//p'
}

# The same from the shlibs files of the sysroot: dpkg-shlibdeps knows installed packages only.
cross_dependencies() {
    local library
    "${tool_prefix}readelf" -d "$root"/usr/sbin/ntc-* \
        | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u \
        | while read -r library; do
            awk -v name="${library%%.so*}" -v version="${library##*.so.}" \
                '$1 == name && $2 == version { $1 = $2 = ""; sub(/^ +/, ""); print; exit }' \
                "$sysroot"/var/lib/ntc/*.shlibs
        done | sort -u | paste -sd, | sed 's/,/, /g'
}

if [ -n "$sysroot" ]; then depends=$(cross_dependencies); else depends=$(dependencies); fi
[ -n "$depends" ] || { cat "$build/shlibs.log" >&2; fail "the libraries belong to no package"; }
substitute() {
    sed -e "s|@VERSION@|$version|" -e "s|@ARCH@|$arch|" -e "s|@MAINTAINER@|$maintainer|" \
        -e "s|@SIZE@|$(du -sk --exclude=DEBIAN "$root" | cut -f1)|" -e "s|@DEPENDS@|$depends|" \
        -e "s|@DATE@|$(LC_ALL=C date -R -u -d "@$SOURCE_DATE_EPOCH")|" "$1"
}
substitute deploy/debian/changelog.in | gzip -9n >"$root/usr/share/doc/ntc/changelog.gz"
substitute deploy/debian/control.in >"$root/DEBIAN/control"
install -m 0644 deploy/debian/conffiles "$root/DEBIAN/conffiles"
install -m 0755 deploy/debian/postinst deploy/debian/prerm deploy/debian/postrm "$root/DEBIAN/"
find "$root" -type d -exec chmod 0755 {} +
find "$root/usr/share" -type f -exec chmod 0644 {} +
(cd "$root" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | LC_ALL=C sort -z \
    | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
chmod 0644 "$root/DEBIAN/md5sums" "$root/DEBIAN/control"

package=build/ntc_${version}_$arch.deb
dpkg-deb --root-owner-group -Zxz --build "$root" "$package" >/dev/null
say "$package ($(du -h "$package" | cut -f1))"
