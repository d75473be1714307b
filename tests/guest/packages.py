"""Files of Debian packages: from the machine where a package is installed, else unpacked beside."""

import pathlib
import re
import subprocess


class PackageError(Exception):
    pass


def run(*arguments, **options):
    return subprocess.run(arguments, check=True, capture_output=True, text=True, **options).stdout


def installed_versions(names):
    query = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Status}\n", *names],
        capture_output=True, text=True)
    rows = [line.split() for line in query.stdout.splitlines()]
    return {row[0]: row[1] for row in rows if row[-1] == "installed"}


def candidate_versions(names):
    if not names:
        return {}
    text = run("apt-cache", "policy", *names)
    rows = re.findall(r"^(\S+):\n.*\n  Candidate: (\S+)", text, re.MULTILINE)
    found = {name: version for name, version in rows if version != "(none)"}
    missing = " ".join(name for name in names if name not in found)
    if missing:
        raise PackageError(f"apt does not know {missing}: run apt-get update")
    return found


def kernel_package(depends):
    return re.search(r"linux-image-\d[^\s,]+", depends).group()


class Packages:
    """The packages `names`; those that are not installed are kept in the directory `cache`.
    `versions` tells what was found, `kernel` the release of the kernel among them."""

    def __init__(self, names, cache):
        self.cache = pathlib.Path(cache)
        self.roots = []
        self.versions = []
        self.kernel = None
        self._add(names)

    def path(self, name):
        """The file or folder `name`, such as "usr/bin/syslinux"."""
        for root in self.roots:
            for place in (root / name, root / "usr" / name):
                if place.exists():
                    return place
        raise PackageError(f"no package has a file {name}")

    def tool(self, name):
        return str(self.path(f"usr/bin/{name}"))

    def library_path(self):
        return ":".join(f"{root}/{part}lib/x86_64-linux-gnu"
                        for root in self.roots for part in ("", "usr/"))

    def _add(self, names):
        installed = installed_versions(names)
        candidates = candidate_versions([name for name in names if name not in installed])
        for name in names:
            root = pathlib.Path("/")
            if name not in installed:
                root = self._unpacked(name, candidates[name])
            if root not in self.roots:
                self.roots.append(root)
            self.versions.append(f"{name}={installed.get(name) or candidates[name]}")
            if name.startswith("linux-image-"):
                self._add_kernel_of(name, name in installed)

    def _add_kernel_of(self, name, is_installed):
        """A meta package names the package of the newest kernel, which in turn has its release."""
        release = name[len("linux-image-"):]
        if release[0].isdigit():
            self.kernel = release
        elif is_installed:
            self._add([kernel_package(run("dpkg-query", "-W", "-f", "${Depends}", name))])
        else:
            self._add([kernel_package(run("apt-cache", "depends", name))])

    def _unpacked(self, name, version):
        root = self.cache / f"{name}_{version.replace(':', '%3a')}"
        if root.exists():
            return root
        parts = self.cache / "parts"
        parts.mkdir(parents=True, exist_ok=True)
        run("apt-get", "-q", "download", f"{name}={version}", cwd=parts)
        archive = next(parts.glob(f"{name}_*.deb"))
        partial = self.cache / f"{root.name}.partial"
        run("dpkg-deb", "-x", str(archive), str(partial))
        archive.unlink()
        partial.rename(root)
        return root
