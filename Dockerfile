# One image for every host of Bezant; docker-compose.yml says which command each container runs.
FROM python:3.11-slim

RUN useradd --create-home --uid 10001 bezant \
    && install --directory --owner bezant --mode 0700 /var/lib/bezant

COPY . /usr/src/bezant
RUN pip install --no-cache-dir --constraint /usr/src/bezant/constraints.txt /usr/src/bezant

USER bezant
ENV BEZANT_DATA_FOLDER=/var/lib/bezant \
    PYTHONUNBUFFERED=1
VOLUME /var/lib/bezant
ENTRYPOINT ["bezant"]
CMD ["--help"]
