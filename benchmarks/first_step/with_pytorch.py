"""A program of a user of PyTorch: one training step of note 004's network. Its argument: threads."""

import sys

import torch
from torch import nn

torch.set_num_threads(int(sys.argv[1]))
x, y = torch.rand(128, 1, 28, 28), torch.randint(0, 10, (128,))
model = nn.Sequential(
    nn.Conv2d(1, 32, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(32, 64, 3),
    nn.ReLU(),
    nn.MaxPool2d(2, ceil_mode=True),
    nn.Flatten(),
    nn.Linear(6 * 6 * 64, 64),
    nn.ReLU(),
    nn.Linear(64, 10),
)
optimizer = torch.optim.Adam(model.parameters())
loss = nn.functional.cross_entropy(model(x), y)
loss.backward()
optimizer.step()
print(loss.item())
