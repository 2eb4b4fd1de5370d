# NTC: one Makefile for everything; the folders hold only source.
#   make            build the three programs into build/bin/
#   make run        install what is missing, build, watch the default route's interface (or IFACE=name)
#   make demo       the same on synthetic traffic, without privileges
#   make test       install what is missing, build, run every test (needs root)
#   make check      unit tests only            make SAN=1 check   the same under ASan and UBSan
#   make check-bpf  the TC programs' tests     make check-e2e     the whole, in network namespaces
#   make bench      measure; prints a table    make fuzz          fuzz every decoder, FUZZ_S=60 seconds each
#   make soak       everything that can befall NTC, at random, under traffic: SOAK_MIN=10 minutes (needs root)
#   make lint       style and static checks    make deps          install what is missing
#   make deb        the Debian package; ARCH=arm64 for a Raspberry Pi
#   make check-package check-arm64    packages and man pages; the unit tests on an emulated Pi
#   make test-package test-monitoring test-kernels test-trixie   installed, scraped, other kernels, Debian 13
#   make clean      remove build/              make help          print this text
#   make V=1 ...    show the commands          ARGS="--set server.port=9000"   options for run and demo

VERSION := 0.1.0
, := ,
SAN ?= 0
MODE := $(if $(filter 1,$(SAN)),san,release)
B := build/$(MODE)
BIN := $(if $(filter 1,$(SAN)),build/san/bin,build/bin)
Q := $(if $(filter 1,$(V)),,@)
PYTHON := /usr/bin/python3
CLANG ?= clang

CFLAGS ?= -O2 -g
SAN_FLAGS := $(if $(filter 1,$(SAN)),-fsanitize=address$(,)undefined -fno-sanitize-recover=all \
          -fno-omit-frame-pointer)
HOUSE_CFLAGS := -std=gnu11 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
          -Wvla -Wformat=2 -Wswitch-enum -D_GNU_SOURCE -DNTC_VERSION='"$(VERSION)"' -MMD -MP $(SAN_FLAGS)
BPF_CFLAGS := -std=gnu11 -O2 -g -target bpf -mcpu=v3 -Wall -Wextra -Wno-unused-parameter

# Who may include whom.  A folder that is not listed here cannot be included: the compiler enforces
# the direction of the data flow, no reviewer has to.
INC_common     := common
INC_proto      := proto common $(B)/proto
INC_bpf        := bpf common
INC_collector  := collector common proto bpf $(B)/bpf
INC_aggregator := aggregator common proto
INC_gateway    := gateway common proto $(B)/gateway
INC_tests      := tests tests/bpf tests/fuzz common proto collector aggregator gateway bpf $(B)/bpf

LIBS_collector  := -lbpf -lelf -lz -lczmq -lzmq -lprotobuf-c -lyaml -ljansson -lm
LIBS_aggregator := -lczmq -lzmq -lprotobuf-c -lyaml -lm
LIBS_gateway    := -lcivetweb -lczmq -lzmq -lprotobuf-c -lyaml -ljansson -lpthread -lm
LIBS_tests      := $(shell pkg-config --libs check 2>/dev/null) -lcivetweb $(LIBS_collector)

PROGRAMS := collector aggregator gateway
objects = $(patsubst %.c,$(B)/%.o,$(filter-out %/main.c,$(wildcard $(1)/*.c)))
LIB_common := $(B)/libcommon.a
LIB_proto  := $(B)/libproto.a

all: $(PROGRAMS:%=$(BIN)/ntc-%)

# ---- programs: each folder is an archive and a main.o, so that a test links only what it calls ----

$(B)/libcommon.a: $(call objects,common)
$(B)/libproto.a: $(call objects,proto) $(B)/proto/ntc.pb-c.o
$(B)/libcollector.a: $(call objects,collector)
$(B)/libaggregator.a: $(call objects,aggregator)
$(B)/libgateway.a: $(call objects,gateway)
$(B)/lib%.a:
	@echo "  AR    $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BIN)/ntc-%: $(B)/%/main.o $(B)/lib%.a $(LIB_proto) $(LIB_common)
	@mkdir -p $(@D); echo "  LD    $@"
	$(Q)$(CC) $(SAN_FLAGS) $(LDFLAGS) $^ -o $@ $(LIBS_$*)

$(B)/%.o: %.c $(MAKEFILE_LIST)
	@mkdir -p $(@D); echo "  CC    $@"
	$(Q)$(CC) $(HOUSE_CFLAGS) $(CFLAGS) $(CPPFLAGS) \
	    $(addprefix -I,$(INC_$(firstword $(subst /, ,$*)))) -c $< -o $@

$(B)/gateway/plain_page.o: $(wildcard gateway/plain_page.*)

# ---- generated code ----

$(B)/proto/ntc.pb-c.c: proto/ntc.proto
	@mkdir -p $(@D); echo "  PROTO $@"
	$(Q)protoc-c --c_out=$(@D) -Iproto $<

$(B)/proto/ntc.pb-c.o: $(B)/proto/ntc.pb-c.c
	@echo "  CC    $@"
	$(Q)$(CC) -std=gnu11 $(CFLAGS) $(SAN_FLAGS) -fno-sanitize=undefined -MMD -MP -c $< -o $@

$(B)/proto/ntc.pb-c.h: $(B)/proto/ntc.pb-c.c ;
$(call objects,proto): | $(B)/proto/ntc.pb-c.h

$(B)/bpf/ntc.bpf.o: bpf/ntc.bpf.c $(MAKEFILE_LIST)
	@mkdir -p $(@D); echo "  BPF   $@"
	$(Q)$(CLANG) $(BPF_CFLAGS) $(CPPFLAGS) -I/usr/include/$(shell $(CC) -print-multiarch) \
	    $(addprefix -I,$(INC_bpf)) -MMD -MP -MT $@ -MF $(@:.o=.d) -c $< -o $@

$(B)/bpf/ntc.skel.h: $(B)/bpf/ntc.bpf.o
	@echo "  SKEL  $@"
	$(Q)$(BPFTOOL) gen skeleton $< name ntc_bpf > $@
$(call objects,collector): | $(B)/bpf/ntc.skel.h
BPFTOOL := $(firstword $(wildcard /usr/sbin/bpftool) bpftool)

# ---- tests ----

UNIT_TESTS := $(patsubst tests/%.c,%,$(wildcard tests/test_*.c))
TEST_LIBS := $(B)/libcollector.a $(B)/libaggregator.a $(B)/libgateway.a $(LIB_proto) $(LIB_common)

check: $(UNIT_TESTS:%=$(B)/tests/%)
	@printf '%s\n' $^ | WRAP='$(WRAP)' xargs -n 1 -P $(UNIT_TESTS_AT_ONCE) tests/unit.sh

# Most of the time they wait for something.
UNIT_TESTS_AT_ONCE := 3

$(B)/tests/test_%: $(B)/tests/test_%.o $(TEST_LIBS)
	@echo "  LD    $@"
	$(Q)$(CC) $(SAN_FLAGS) $(LDFLAGS) $< -Wl,--start-group $(TEST_LIBS) -Wl,--end-group -o $@ $(LIBS_tests)
$(patsubst %,$(B)/tests/%.o,$(UNIT_TESTS)): | $(B)/bpf/ntc.skel.h

# The TC programs in the running kernel: needs root.
BPF_TESTS := $(patsubst tests/bpf/%.c,%,$(wildcard tests/bpf/test_*.c))
BPF_TEST_PARTS := $(patsubst %.c,$(B)/%.o,$(filter-out tests/bpf/test_%,$(wildcard tests/bpf/*.c)))

check-bpf: $(BPF_TESTS:%=$(B)/tests/bpf/%)
	@status=0; for t in $(sort $^); do CK_TIMEOUT_MULTIPLIER=8 $$t || status=1; done; exit $$status

$(B)/tests/bpf/test_%: $(B)/tests/bpf/test_%.o $(BPF_TEST_PARTS) $(B)/libcollector.a $(LIB_proto) $(LIB_common)
	@echo "  LD    $@"
	$(Q)$(CC) $(SAN_FLAGS) $(LDFLAGS) $^ -o $@ $(LIBS_tests)
$(BPF_TEST_PARTS) $(patsubst %,$(B)/tests/bpf/%.o,$(BPF_TESTS)): | $(B)/bpf/ntc.skel.h

# ---- fuzzing: clang's libFuzzer over every reader of foreign bytes ----

FUZZ_S ?= 60
FB := build/fuzz
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_PARTS := $(patsubst %.c,$(FB)/%.o,$(filter-out tests/fuzz/fuzz_% tests/fuzz/make_seeds.c, \
    $(wildcard tests/fuzz/*.c)))
FUZZ_OBJECTS := $(patsubst %.c,$(FB)/%.o,$(filter-out %/main.c,$(wildcard common/*.c proto/*.c \
    collector/*.c aggregator/*.c gateway/*.c))) $(FUZZ_PARTS) $(FB)/proto/ntc.pb-c.o
FUZZ_FLAGS := -std=gnu11 -D_GNU_SOURCE -DNTC_VERSION='"$(VERSION)"' -g -O1 \
    -fsanitize=fuzzer-no-link$(,)address$(,)undefined -fno-sanitize-recover=all

# With -j several targets at once; -k goes on with the others when one has found something.
fuzz: $(FUZZ_TARGETS:%=fuzz-run-%)

fuzz-run-%: $(FB)/tests/fuzz/%
	@corpus=$(FB)/corpus/$*; mkdir -p $$corpus; echo "  FUZZ  $* for $(FUZZ_S) s"; \
	    ASAN_OPTIONS=detect_leaks=1 $< -max_total_time=$(FUZZ_S) -max_len=16384 -rss_limit_mb=600 -timeout=20 \
	    -verbosity=0 -print_final_stats=0 -artifact_prefix=$(FB)/$*- $$corpus \
	    $(wildcard tests/fuzz/seeds/$(*:fuzz_%=%)) 2>$(FB)/$*.log || { cat $(FB)/$*.log; exit 1; }

# Honest messages to begin with, anew when the messages have changed.
fuzz-seeds: $(B)/tests/fuzz/make_seeds
	@$< tests/fuzz/seeds

$(B)/tests/fuzz/make_seeds: $(B)/tests/fuzz/make_seeds.o $(LIB_proto) $(LIB_common)
	$(Q)$(CC) $(SAN_FLAGS) $^ -o $@ -lprotobuf-c -lyaml -lm

$(FB)/proto/ntc.pb-c.o: $(B)/proto/ntc.pb-c.c
	@mkdir -p $(@D)
	$(Q)$(CLANG) -g -O1 -fsanitize=fuzzer-no-link$(,)address -c $< -o $@

$(FB)/%.o: %.c | $(B)/proto/ntc.pb-c.h $(B)/bpf/ntc.skel.h
	@mkdir -p $(@D); echo "  FUZZ  $@"
	$(Q)$(CLANG) $(FUZZ_FLAGS) -MMD -MP $(addprefix -I,$(INC_$(firstword $(subst /, ,$*)))) -c $< -o $@

# An archive: a target that stands in for a module links its own.
$(FB)/libfuzzed.a: $(FUZZ_OBJECTS)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

FUZZ_LINK_fuzz_bus_receiver := -Wl,--wrap=zsock_setup_endpoint

$(FB)/tests/fuzz/fuzz_%: $(FB)/tests/fuzz/fuzz_%.o $(FB)/libfuzzed.a
	$(Q)$(CLANG) -fsanitize=fuzzer$(,)address$(,)undefined $< $(FUZZ_LINK_fuzz_$*) -Wl,--start-group \
	    $(FB)/libfuzzed.a -Wl,--end-group -o $@ -lczmq -lzmq -lprotobuf-c -lyaml -ljansson -lpthread -lm

# ---- benchmarks ----

BENCHES := $(patsubst tests/bench/%.c,$(B)/tests/bench/%,$(wildcard tests/bench/bench_*.c)) \
    $(B)/tests/bench/generator $(B)/tests/bench/attach_empty $(B)/tests/bench/many_collectors

bench: all $(BENCHES) $(B)/tests/bench/empty.bpf.o $(B)/proto/ntc_pb2.py
	@$(PYTHON) tests/bench/bench.py $(BENCH_ARGS)

# Many collectors into one aggregator: docs/scale.md.
scale: all $(B)/tests/bench/many_collectors $(B)/proto/ntc_pb2.py
	@NTC_BIN=$(abspath $(BIN)) $(PYTHON) tests/bench/scale.py $(SCALE_ARGS)

bench-floor: ; @$(MAKE) --no-print-directory bench BENCH_ARGS=floor

bench-compare: ; @$(PYTHON) tests/bench/bench.py --compare $(OLD)

$(B)/tests/bench/%.bpf.o: tests/bench/%.bpf.c
	@mkdir -p $(@D); echo "  BPF   $@"
	$(Q)$(CLANG) $(BPF_CFLAGS) -I/usr/include/$(shell $(CC) -print-multiarch) -c $< -o $@

$(B)/tests/bench/%: $(B)/tests/bench/%.o $(B)/tests/bpf/frame.o $(TEST_LIBS)
	@echo "  LD    $@"
	$(Q)$(CC) $(SAN_FLAGS) $(LDFLAGS) $< $(B)/tests/bpf/frame.o -Wl,--start-group $(TEST_LIBS) \
	    -Wl,--end-group -o $@ $(LIBS_tests)

# ---- chaos: real traffic while everything befalls NTC at random ----

SOAK_MIN ?= 10

soak: all $(B)/tests/bench/generator $(B)/tests/soak/clock_shim.so $(B)/proto/ntc_pb2.py
	@NTC_BIN=$(abspath $(BIN)) $(PYTHON) -u tests/soak/soak.py --minutes $(SOAK_MIN) \
	    $(if $(SOAK_SEED),--seed $(SOAK_SEED))

$(B)/tests/soak/clock_shim.so: tests/soak/clock_shim.c
	@mkdir -p $(@D); echo "  LD    $@"
	$(Q)$(CC) $(filter-out $(SAN_FLAGS),$(HOUSE_CFLAGS)) $(CFLAGS) -fPIC -shared $< -o $@ -ldl

# ---- lint ----

C_SOURCES := $(wildcard $(addsuffix /*.[ch],common proto bpf collector aggregator gateway tests tests/bpf \
    tests/fuzz tests/bench))
CPPCHECK_FLAGS := --quiet --error-exitcode=1 --std=c11 --enable=warning,portability --inline-suppr \
    --suppress=missingIncludeSystem '-DDECLARE_LIBBPF_OPTS(type,name,...)=struct type name={__VA_ARGS__}' \
    --suppress=memleak:collector/event_publisher.c --suppress=memleak:collector/list_slots.c \
    --suppress=syntaxError:gateway/metrics_page.c

lint:
	@echo "  LINT  lines of at most 100 columns, no tabs, no blanks at line ends"
	@! grep -nP '\t|[ \t]+$$|^.{101,}' $(C_SOURCES)
	@echo "  LINT  shellcheck"; shellcheck deploy/*.sh tests/run.sh tests/package/emulated.sh tests/package/trixie.sh
	@echo "  LINT  cppcheck"
	$(Q)cppcheck $(CPPCHECK_FLAGS) $(addprefix -I,common proto bpf collector aggregator gateway) \
	    common proto collector aggregator gateway

# ---- the page ----

WEB := webui/dist/index.html
WEB_SOURCES := $(shell find webui -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)
NPM_READY := webui/node_modules/.package-lock.json

webui: $(WEB)
$(WEB): $(WEB_SOURCES) $(NPM_READY)
	@echo "  NPM   $@"
	$(Q)cd webui && npm run --silent build >../build/webui.log 2>&1 || { cat ../build/webui.log; exit 1; }

$(NPM_READY): webui/package-lock.json
	@echo "  NPM   webui/node_modules"; mkdir -p build
	$(Q)cd webui && npm ci --no-audit --no-fund --loglevel=error >../build/npm.log 2>&1 \
	    || { cat ../build/npm.log; exit 1; }
	@touch $@

check-webui: $(WEB)
	$(Q)cd webui && npm run --silent check && npm run --silent lint && npm run --silent test

check-webui-e2e: all $(WEB)
	$(Q)cd webui && NTC_BIN=$(abspath $(BIN)) npm run --silent e2e

# ---- packages, runs ----

BUILD_PACKAGES := gcc make libc6-dev pkg-config clang llvm bpftool libbpf-dev libelf-dev zlib1g-dev \
    libzmq3-dev libczmq-dev libcivetweb-dev libprotobuf-c-dev protobuf-c-compiler libyaml-dev \
    libjansson-dev check tzdata $(if $(shell command -v npm),,nodejs npm)
TEST_PACKAGES := protobuf-compiler python3-pytest python3-pytest-xdist python3-scapy python3-zmq \
    python3-protobuf iproute2 iputils-ping iperf3 ethtool procps util-linux prometheus victoria-metrics chromium \
    libclang-rt-dev cppcheck shellcheck dpkg-dev mmdebstrap systemd-container lintian groff cpio \
    gcc-aarch64-linux-gnu qemu-user-static qemu-system-x86 qemu-system-arm wrk slowhttptest

deps: ; @mkdir -p build && deploy/install-packages.sh $(BUILD_PACKAGES)
deps-test: ; @mkdir -p build && deploy/install-packages.sh $(BUILD_PACKAGES) $(TEST_PACKAGES)

# The packages must be there before this Makefile asks for their flags and headers: build in a second
# make that starts after the installation.
run: deps
	@$(MAKE) --no-print-directory all webui
	@deploy/run.sh $(BIN) $(if $(IFACE),--set 'network.interfaces=[$(IFACE)]') $(ARGS)

demo: deps
	@$(MAKE) --no-print-directory all webui
	@mkdir -p build/demo
	@deploy/run.sh $(BIN) --demo --set bus.directory=build/demo/bus \
	    --set persistence.path=build/demo/lists.json $(ARGS)

test: deps-test
	@tests/run.sh

# A collector with other kernel maps: stands in for the next version.
next-layout:
	@$(MAKE) --no-print-directory B=build/next-layout BIN=build/next-layout/bin \
	    CPPFLAGS=-DNTC_LAYOUT=999 build/next-layout/bin/ntc-collector

check-e2e: all $(B)/proto/ntc_pb2.py $(B)/tests/bench/generator $(B)/tests/bench/many_collectors \
    $(B)/tests/soak/clock_shim.so next-layout
	@cd tests/e2e && $(PYTHON) -m pytest -q -p no:cacheprovider $(PYTEST_WORKERS) $(PYTEST_ARGS)

# Most of the time these tests wait for something, each in namespaces and folders of its own.
PYTEST_WORKERS := -n 3 --dist loadfile

$(B)/proto/ntc_pb2.py: proto/ntc.proto
	@mkdir -p $(@D); echo "  PROTO $@"
	$(Q)protoc --python_out=$(@D) -Iproto $<

# ---- packages of Debian, other systems ----

PACKAGE_TEST = cd tests/package && NTC_BIN=$(abspath $(BIN)) NTC_PROTO=$(abspath $(B)/proto) \
    $(PYTHON) -m pytest -q -p no:cacheprovider
deb: ; @deploy/build-deb.sh $(VERSION) $(ARCH)

# What an owner installs, operates and reads: seconds.
check-package: all deb $(B)/proto/ntc_pb2.py
	@$(PACKAGE_TEST) test_man_pages.py test_deploy.py test_deb.py $(PYTEST_ARGS)

# The unit tests as the programs for a Raspberry Pi are built: two minutes.
ARM64_TESTS := $(UNIT_TESTS:%=build/deb-arm64/tests/%)
check-arm64: deps-test
	@deploy/make-for.sh arm64 -j$(shell nproc) $(ARM64_TESTS)
	@printf '%s\n' $(ARM64_TESTS) | xargs -n 1 -P $(shell nproc) tests/package/emulated.sh

# Installed on a machine that boots: one minute and, once, a download of 60 MB.
test-package: deps-test deb next-layout
	@$(PACKAGE_TEST) test_package.py $(PYTEST_ARGS)

# Every query and alert against VictoriaMetrics: two minutes.
test-monitoring: deps-test all $(B)/proto/ntc_pb2.py
	@$(PACKAGE_TEST) test_monitoring.py $(PYTEST_ARGS)

# Virtual machines; NTC_KERNELS="amd64-6.1 arm64-16k" chooses, all five take some minutes.
test-kernels: deps-test
	@deploy/build-deb.sh $(VERSION) amd64 && deploy/build-deb.sh $(VERSION) arm64
	@$(PACKAGE_TEST) test_kernels.py $(PYTEST_ARGS)

test-trixie: deps-test ; @tests/package/trixie.sh

help: ; @sed -n '2,16s/^#   //p' Makefile
clean: ; rm -rf build
.PHONY: soak fuzz-seeds deb check-package test-package test-monitoring test-kernels test-trixie \
    all bench scale bench-floor bench-compare fuzz lint webui check-webui check-webui-e2e check check-bpf \
    check-e2e deps deps-test run demo test help clean check-arm64 next-layout
.DELETE_ON_ERROR:
.SECONDARY:
-include $(shell find $(B) $(FB) -name '*.d' -type f 2>/dev/null)
