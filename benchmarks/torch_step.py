"""The same training step in PyTorch, for a baseline on the same machine.

    python benchmarks/torch_step.py    (needs torch)

It follows the description of the authors' step: CIFAR network, critics of
2,048 units, batch 64, scores of all pairs, InfoNCE as a log-softmax over one
positive and all locations of the batch for each location, Adam, float32 and
bfloat16 autocast. Prints images a second.
"""

import argparse
import math
from contextlib import nullcontext

import common
import torch
from torch import nn
from torch.nn import functional as F


class Projection(nn.Module):
    def __init__(self, channels, units):
        super().__init__()
        self.hidden = nn.Conv2d(channels, units, 1, bias=False)
        self.norm = nn.BatchNorm2d(units)
        self.output = nn.Conv2d(units, units, 1)
        self.shortcut = nn.Conv2d(channels, units, 1, bias=False)
        self.output_norm = nn.LayerNorm(units)

    def forward(self, x):
        y = self.output(F.relu(self.norm(self.hidden(x)))) + self.shortcut(x)
        return self.output_norm(y.permute(0, 2, 3, 1))


class Step(nn.Module):
    def __init__(self, units):
        super().__init__()

        def block(channels, filters):
            return nn.Sequential(
                nn.Conv2d(channels, filters, 4, 2, 1, bias=False),
                nn.BatchNorm2d(filters),
                nn.ReLU(),
            )

        self.local = nn.Sequential(block(3, 64), block(64, 128))
        self.rest = nn.Sequential(
            block(128, 256),
            nn.Flatten(),
            nn.Linear(4096, 1024, bias=False),
            nn.BatchNorm1d(1024),
            nn.ReLU(),
            nn.Linear(1024, 64),
        )
        self.local_projection = Projection(128, units)
        self.global_projection = Projection(64, units)

    def forward(self, images, bound):
        parts = self.local(images)
        summaries = self.rest(parts)
        parts = self.local_projection(parts).flatten(1, 2)
        summaries = self.global_projection(summaries[:, :, None, None])
        summaries = summaries.flatten(1)
        # i: images of the summaries, j: of the parts, l: locations
        scores = torch.einsum("iu,jlu->ijl", summaries, parts).float()
        num_images, _, num_locations = scores.shape
        own = torch.eye(num_images)[:, :, None]
        positives = torch.diagonal(scores).T
        if bound == "jensen_shannon":
            joint = (math.log(2) - F.softplus(-scores)) * own
            product = (F.softplus(scores) - math.log(2)) * (1 - own)
            joint = joint.sum() / (num_images * num_locations)
            pairs = num_images * (num_images - 1) * num_locations
            return product.sum() / pairs - joint
        negatives = (1 - own) * scores - 10 * own
        negatives = negatives.reshape(num_images, 1, -1)
        negatives = negatives.expand(-1, num_locations, -1)
        logits = torch.cat([positives[:, :, None], negatives], dim=2)
        return -F.log_softmax(logits, dim=2)[:, :, 0].mean()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--critic_units", type=int, default=2048)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads")
    for bound in ("jensen_shannon", "info_nce"):
        for precision in ("float32", "bfloat16"):
            torch.manual_seed(0)
            model = Step(arguments.critic_units)
            optimizer = torch.optim.Adam(
                model.parameters(), 1e-4, betas=(0.5, 0.999)
            )
            images = torch.rand(arguments.batch_size, 3, 32, 32) * 2 - 1

            def step(model, optimizer, images, bound, precision):
                optimizer.zero_grad()
                half = torch.autocast("cpu", torch.bfloat16)
                with half if precision == "bfloat16" else nullcontext():
                    loss = model(images, bound)
                loss.backward()
                optimizer.step()

            given = (model, optimizer, images, bound, precision)
            seconds = common.median_seconds(
                lambda given=given: step(*given), arguments.repeats
            )
            rate = arguments.batch_size / seconds
            print(f"{bound:16}{precision:16}{rate:9.0f} images/s", flush=True)


if __name__ == "__main__":
    main()
