#!/bin/sh
# The unit tests, in the image that is shipped; nothing else of it is started.
cd /opt/ferry || exit 2
if node --test --test-reporter=tap ferry/test/; then
    echo "Result: SUCCESS!"
else
    echo "Result: FAILURE!"
    exit 1
fi
