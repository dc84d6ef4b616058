"""What pyproject.toml cannot say: ``configs`` and ``models`` at the top ship with the package.

In a wheel they are ``segibn/configs`` and ``segibn/networks``; an editable install and a bare
checkout read the folders themselves (``segibn.config.shipped`` looks in both places). Folders that
hold no Python are namespace packages to setuptools; pyproject.toml lists their files as package
data.
"""

from setuptools import find_namespace_packages, setup

CONFIGS, NETWORKS = "segibn.configs", "segibn.networks"

setup(
    packages=[
        *find_namespace_packages(include=["segibn", "segibn.*", "painted_scenes"], exclude=["*.__pycache__*"]),
        CONFIGS,
        NETWORKS,
        *(f"{CONFIGS}.{folder}" for folder in find_namespace_packages("configs")),
    ],
    package_dir={CONFIGS: "configs", NETWORKS: "models"},
)
