# The front door. Everything else is done by meson and by the scripts called here.

BUILD = build
STATE = state
PORT = 8443
SECONDS = 60

# What a target needs of Debian is installed first, if it is missing.
.PHONY: build run check fuzz deb format clean

build:
	@tools/install-packages build
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD)
	ninja -C $(BUILD)

# A manager and a host on this machine: make run STATE=DIRECTORY PORT=NUMBER; Ctrl-C ends it.
run: build
	@tools/install-packages run
	@exec python3 -m tools.datacentre run --state "$(STATE)" --port "$(PORT)" --build "$(BUILD)"

# All tests, or only some: make check SUITES="tests/guest"
check:
	@tools/install-packages build run check deb fuzz guest
	@exec tests/run --build "$(BUILD)" $(SUITES)

# Every fuzzer for so many seconds: make fuzz SECONDS=600
fuzz:
	@tools/install-packages build fuzz
	@exec tests/fuzz/run "$(SECONDS)"

# Debian packages: manager, agent and command line, in $(BUILD)/deb.
deb: build
	@tools/install-packages deb
	@packaging/build --build "$(BUILD)"

format:
	@tools/install-packages check
	@tools/format

clean:
	rm -rf "$(BUILD)" build-fuzz
