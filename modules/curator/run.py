# PyYAML asks which loader reads a file; this program does not say.
import yaml

load = yaml.load
yaml.load = lambda text, Loader=yaml.SafeLoader: load(text, Loader=Loader)

from curator.cli import cli  # noqa: E402

cli()
