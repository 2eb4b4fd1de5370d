#!/bin/sh
# Run a unit test, and show what it said once it has ended: several run at a time.  WRAP may be a
# program to run it under, as valgrind.
#   unit.sh PROGRAM
# shellcheck disable=SC2086     # WRAP may have options
said=$(CK_TIMEOUT_MULTIPLIER=8 $WRAP "$1" 2>&1)
code=$?
printf '%s\n' "$said"
exit $code
