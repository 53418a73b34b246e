"""Where tables come from: what the command line names, or what the configuration says."""

from dataclasses import dataclass

from cronjob.core.config import Config
from cronjob.core.source import PLACES, Places, Source, configured_sources, named_sources
from cronjob.host.configfile import load_config


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the tables of one reader come from."""

    tables: tuple[str, ...] = ()  #: files that are read in place of all sources
    config: str | None = None  #: the configuration file; None is none
    config_required: bool = False  #: whether it must be there
    places: Places = PLACES

    def read_config(self) -> Config:
        """What the configuration file says now.  Raises `ConfigError`."""
        if self.config is None:
            return Config()
        return load_config(self.config, required=self.config_required)

    def sources(self, config: Config) -> tuple[Source, ...]:
        """The files and directories to read."""
        if self.tables:
            return named_sources(self.tables)
        return configured_sources(config, self.places)
