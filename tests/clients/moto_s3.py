"""An S3 server with lifecycle rules (moto) on 127.0.0.1, and a way to do with its bucket what only its owner, its provider or time
can: a command on each line of standard input, a line of JSON as the answer. The first line that is written is the port."""

import datetime
import json
import logging
import os
import sys

BUCKET, KEY, SECRET = "mail", "test-key", "test-secret-of-the-store"

logging.getLogger("werkzeug").setLevel(logging.ERROR)
os.environ["MOTO_S3_DEFAULT_KEY_BUFFER_SIZE"] = str(64 << 20)

import boto3  # noqa: E402
from moto.backends import get_backend  # noqa: E402
from moto.moto_server.threaded_moto_server import ThreadedMotoServer  # noqa: E402

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
client = boto3.client(
    "s3",
    endpoint_url=f"http://{host}:{port}",
    aws_access_key_id=KEY,
    aws_secret_access_key=SECRET,
    region_name="us-east-1",
)
client.create_bucket(Bucket=BUCKET)


def bucket():
    return get_backend("s3")["123456789012"]["aws"].buckets[BUCKET]


def rules(_):
    try:
        return client.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    except client.exceptions.ClientError as error:
        return error.response["Error"]["Code"]


def set_rules(text):
    client.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": json.loads(text)})
    return rules(None)


def objects(_):
    return sorted(each["Key"] for each in client.list_objects_v2(Bucket=BUCKET).get("Contents", []))


def uploads(_):
    return sorted(each["Key"] for each in client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []))


def leave(key):
    """Somebody begins an upload in parts, sends one, notes it as the worker does, and never comes back."""
    upload = client.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    client.upload_part(Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=1, Body=b"x" * (5 << 20))
    client.put_object(Bucket=BUCKET, Key=key + ".upload", Body=upload.encode())
    return uploads(None)


def age(text):
    """An object has been there for so many hours."""
    key, hours = text.rsplit(" ", 1)
    then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=int(hours))
    bucket().keys[key].last_modified = then.replace(tzinfo=None)
    return str(then)


def expire(key):
    """What a rule of somebody's does."""
    client.delete_object(Bucket=BUCKET, Key=key)
    return objects(None)


def put(key):
    client.put_object(Bucket=BUCKET, Key=key, Body=b"somebody else's")
    return objects(None)


commands = {each.__name__: each for each in (rules, set_rules, objects, uploads, leave, age, expire, put)}
print(port, flush=True)
for line in sys.stdin:
    name, _, rest = line.rstrip("\n").partition(" ")
    print(json.dumps(commands[name](rest), default=str), flush=True)
server.stop()
