# lastbeat, the libraries it is linked to, the certificates it trusts and its rules: nothing else, no shell.
# Linked to the C library as usual, because a static one resolves names in a way of its own.
#
#   docker build -t lastbeat .
#   docker run --rm --read-only -v lastbeat_data:/data -p 9090:9090 \
#     -e NATS_URL=nats://... -e NATS_USER=... -e ACCESS_TOKEN -e SENTRY_DSN lastbeat
#
# Rules of your own: mount a folder over /etc/lastbeat/rules. `docker run --rm lastbeat check` reads them.

FROM docker.io/library/rust:1-bookworm AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /src

# The dependencies alone, on an empty program: this layer is built again only when they change.
COPY Cargo.toml Cargo.lock ./
COPY benches benches
RUN mkdir src \
 && echo 'fn main() {}' > src/main.rs \
 && touch src/lib.rs \
 && cargo build --locked --profile dist --bin lastbeat

# The copied files may be older than what was just built, and would be taken for built already.
COPY src src
ARG REVISION=unknown
RUN touch src/main.rs src/lib.rs \
 && LASTBEAT_REVISION=$REVISION cargo build --locked --profile dist --bin lastbeat

# What the program is linked to, the certificates, and the folder of the state, as the final file system.
RUN mkdir -p /state/data /image/usr/local/bin /image/etc/ssl/certs \
 && cp target/dist/lastbeat /image/usr/local/bin/ \
 && ldd target/dist/lastbeat | grep -o '/[^ ]*' | xargs cp --dereference --parents --target-directory /image \
 && cp --dereference /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
 && echo 'hosts: files dns' > /image/etc/nsswitch.conf

FROM scratch
COPY --from=build /image /
COPY --from=build --chown=65532:65532 /state /
COPY LICENSE /
COPY rules /etc/lastbeat/rules
ENV LASTBEAT_RULES=/etc/lastbeat/rules
# Numbers, since there are no names: an orchestrator sees that it is not root.
USER 65532:65532
VOLUME /data
EXPOSE 9090
# No HEALTHCHECK: it would run a second program each time; /healthz and /readyz are there to be asked.
HEALTHCHECK NONE
ENTRYPOINT ["/usr/local/bin/lastbeat"]
CMD ["run"]
