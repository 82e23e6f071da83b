"""Learn what a controller does from a recording of it.

    pip install '.[torch]'
    python drive.py bag
    python train_from_bag.py bag -i /odom.pose.pose.position -i /goal.point -o /cmd_vel.twist.linear.x

By default a command belongs to the odometry whose stamp it carries, and to the goal that was known
then. The first 80 % of the time train a small network, the last 20 % test it; what it answers is scaled
back to what the controller would have answered.
"""

from __future__ import annotations

import argparse

import torch

from lk_dataset_ros import Dataset


def main() -> None:
    """Train, and print the error on the part of the recording that was kept back."""
    parser = argparse.ArgumentParser(description='Learn what a controller does.')
    parser.add_argument('bag')
    parser.add_argument('-i', '--input', action='append', required=True, help='/topic.field')
    parser.add_argument('-o', '--output', action='append', required=True, help='/topic.field')
    parser.add_argument('--match', default='lineage', choices=['lineage', 'stamp'])
    parser.add_argument('--epochs', type=int, default=15)
    options = parser.parse_args()
    torch.manual_seed(0)

    with Dataset.load(options.bag) as dataset:
        train, test = dataset.to_pytorch_dataset(
            options.input,
            options.output,
            match=options.match,
            normalize='standard',
            split=(0.8, 0.2),
            split_gap=1.0,
        )
    print(train.report)

    network = torch.nn.Sequential(
        torch.nn.Linear(len(train.input_names), 64),
        torch.nn.ReLU(),
        torch.nn.Linear(64, 64),
        torch.nn.ReLU(),
        torch.nn.Linear(64, len(train.output_names)),
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(options.epochs):
        for inputs, outputs in train.dataloader(batch_size=256, shuffle=True, seed=0):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(network(inputs), outputs).backward()
            optimizer.step()

    inputs, outputs = test[:]
    scale = train.normalisation
    with torch.no_grad():
        answers = scale.denormalize_outputs(network(inputs))
    errors = (answers - scale.denormalize_outputs(outputs)).square().mean(0).sqrt()
    spread = scale.denormalize_outputs(outputs).std(0)
    for name, error, deviation in zip(train.output_names, errors, spread, strict=True):
        print(f'{name}: rms error {error:.4f}, standard deviation {deviation:.4f}')


if __name__ == '__main__':
    main()
