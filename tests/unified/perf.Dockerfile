# The perf application of libp2p's public suite.  Build it in the root folder:
#
#   docker build -f tests/unified/perf.Dockerfile -t twisted-libp2p-perf .

FROM python:3.13.5-slim-bookworm AS build
COPY setup.cfg pyproject.toml README.rst LICENSE /source/
COPY twisted /source/twisted
COPY twisted_libp2p /source/twisted_libp2p
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir '/source[quic,websocket]'

FROM python:3.13.5-slim-bookworm
COPY --from=build /venv /venv
COPY tests/__init__.py /suite/tests/
COPY tests/unified /suite/tests/unified
WORKDIR /suite
USER nobody
ENTRYPOINT ["/venv/bin/python", "-m", "tests.unified", "perf"]
