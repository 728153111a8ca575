# One image for every process: ORRERY_ROLES and DATABASE_URL say what it does. As it is: all in one, with one SQLite file in /data.
#
#   docker build -t orrery .
#   docker run --init -v orrery:/data -e ORRERY_AUTH=none -p 127.0.0.1:4000:4000 orrery
#
# A container listens on all of its addresses, and this version cannot ask callers who they are: it starts only when told so with
# ORRERY_AUTH=none, which is not set here on purpose. Publish the port to 127.0.0.1, or put a proxy that asks in front of it.
#
# Many processes on PostgreSQL: compose.yaml, deploy/kubernetes.

FROM node:24-bookworm-slim AS generate
WORKDIR /app
COPY package.json package-lock.json .npmrc prisma.config.ts ./
COPY prisma ./prisma
# `npm ci` also generates the database clients into src/generated.
RUN npm ci

FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=peer --omit=optional --ignore-scripts

FROM node:24-bookworm-slim
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /usr/local/bin/yarn /usr/local/bin/yarnpkg /opt/yarn-v* \
 && install -d -o node -g node /data
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=generate /app/src/generated ./src/generated
COPY package.json ./
COPY prisma ./prisma
COPY src ./src

ENV NODE_ENV=production DATABASE_URL=file:/data/orrery.db HOST=0.0.0.0 PORT=4000
VOLUME /data
EXPOSE 4000
USER node
STOPSIGNAL SIGTERM
# Whatever its roles, a process answers this.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/live`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "src/main.ts"]
