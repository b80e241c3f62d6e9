using System;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Threading.Tasks;

namespace GodotSDK.Tests;

/// <summary>A network between client and server that a test can cut, and that can lose what the server says before it is cut.</summary>
internal sealed class FlakyNetwork : IDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentDictionary<TcpClient, bool> sockets = new();
    private readonly int serverPort;
    private volatile bool isDown;
    private volatile bool isSilent;

    /// <summary>Leads to that port of this machine.</summary>
    public FlakyNetwork(int serverPort)
    {
        this.serverPort = serverPort;
        listener.Start();
        _ = AcceptAsync();
    }

    public string Url => $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}";

    /// <summary>From now on, what the server says gets lost; what clients say arrives.</summary>
    public void LoseAnswers() => isSilent = true;

    /// <summary>Cuts all connections, and lets no new ones through until <see cref="Mend"/>.</summary>
    public void Cut()
    {
        isDown = true;
        foreach (var socket in sockets.Keys) socket.Close();
        sockets.Clear();
    }

    public void Mend()
    {
        isSilent = false;
        isDown = false;
    }

    public void Dispose()
    {
        Cut();
        listener.Stop();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true) _ = CarryAsync(await listener.AcceptTcpClientAsync());
        }
        catch (Exception)
        {
            // Stopped.
        }
    }

    private async Task CarryAsync(TcpClient client)
    {
        using var near = client;
        using var far = new TcpClient();
        try
        {
            if (isDown) return;
            await far.ConnectAsync(IPAddress.Loopback, serverPort);
            foreach (var socket in new[] { near, far })
            {
                socket.NoDelay = true;
                sockets[socket] = true;
            }
            if (isDown) return;
            await Task.WhenAny(PumpAsync(near, far, isFromServer: false), PumpAsync(far, near, isFromServer: true));
        }
        catch (Exception)
        {
            // One of both is gone.
        }
        finally
        {
            sockets.TryRemove(near, out _);
            sockets.TryRemove(far, out _);
        }
    }

    private async Task PumpAsync(TcpClient from, TcpClient to, bool isFromServer)
    {
        try
        {
            var buffer = new byte[16 * 1024];
            int count;
            while ((count = await from.GetStream().ReadAsync(buffer)) > 0)
            {
                if (!(isFromServer && isSilent)) await to.GetStream().WriteAsync(buffer.AsMemory(0, count));
            }
        }
        catch (Exception)
        {
            // Cut.
        }
    }
}
